package mail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sidecart/tests/platform"
)

// mail is a received e-mail. One without parts, such as an SMS, is in Text.
type mail struct {
	To, Subject, Text, HTML string
	Header                  http.Header
}

// mailbox lists the e-mails to an address ("": to all), oldest first.
func mailbox(ctx context.Context, to string) (all []mail, err error) {
	for start := 0; ; start += 250 {
		some, err := mailPage(ctx, to, start)
		if err != nil || len(some) == 0 {
			slices.Reverse(all)
			return all, err
		}
		all = append(all, some...)
	}
}

// mailPage lists at most 250 e-mails, newest first.
func mailPage(ctx context.Context, to string, start int) (all []mail, err error) {
	url := fmt.Sprintf("http://127.0.0.1:%d/api/v2/messages?limit=250&start=%d", running.Port("mailhog", "web"), start)
	if to != "" {
		url = strings.Replace(url, "messages?", "search?kind=to&query="+neturl.QueryEscape(to)+"&", 1)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var page struct {
		Items []struct {
			Content struct {
				Headers map[string][]string
				Body    string
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&page); err != nil {
		return nil, err
	}
	for _, item := range page.Items {
		m, err := read(item.Content.Headers, item.Content.Body)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func read(headers map[string][]string, body string) (m mail, err error) {
	m.Header = http.Header{}
	for name, values := range headers {
		m.Header[http.CanonicalHeaderKey(name)] = values
	}
	m.To = m.Header.Get("To")
	if m.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return m, err
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		m.Text = string(text)
		return m, err
	}
	for parts := multipart.NewReader(strings.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return m, err
		}
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			m.Text = string(text)
		case "text/html":
			m.HTML = string(text)
		default:
			return m, fmt.Errorf("unexpected part %q", kind)
		}
	}
}

// awaitMail waits for an e-mail to an address whose subject contains the text.
func awaitMail(t *testing.T, to, subject string) (found mail) {
	t.Helper()
	platform.Eventually(t, 90*time.Second, func() error {
		all, err := mailbox(t.Context(), to)
		if err != nil {
			return err
		}
		for _, m := range all {
			if strings.Contains(m.Subject, subject) {
				found = m
				return nil
			}
		}
		return fmt.Errorf("%s has %d e-mails, none about %q", to, len(all), subject)
	})
	return found
}
