package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// letter is a dead letter as a service tells of it.
type letter struct {
	EventID  string    `json:"event_id"`
	Topic    string    `json:"topic"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	DiedAt   time.Time `json:"died_at"`
}

// deadLetters lists what services could not handle, and with "replay" or "discard" and an id, or "all", does that. The operator's
// right is to read tokens.json: with a sidecar's token a service's own port answers.
func deadLetters(ctx context.Context, c command) error {
	if platform.Supervisor(c.Instance) == 0 {
		return errors.New("the platform does not run")
	}
	verb, which := "", ""
	switch {
	case len(c.args) == 2 && (c.args[0] == "replay" || c.args[0] == "discard"):
		verb, which = c.args[0], c.args[1]
	case len(c.args) > 0:
		return errors.New("say nothing to list them, or: replay ID, replay all, discard ID, discard all")
	}
	tokens, err := secret.ReadTokens(c.Instance)
	if err != nil {
		return err
	}
	apps, err := template.Read(c.Template())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 2, 2, 2, ' ', 0)
	found := 0
	for _, a := range apps {
		o := office{app: a, token: tokens[a.ID].App}
		letters, err := o.letters(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", a.ID, err)
		}
		for _, l := range letters {
			if which != "" && which != "all" && which != l.EventID {
				continue
			}
			found++
			outcome := l.Reason
			if verb != "" {
				outcome = o.do(ctx, verb, l)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d attempts\t%s\n", a.ID, l.EventID, l.Topic, l.DiedAt.Format(time.DateTime), l.Attempts, outcome)
		}
	}
	if found == 0 {
		fmt.Println("no dead letters")
	}
	return w.Flush()
}

// office is where the dead letters of one service are.
type office struct {
	app   template.App
	token string
}

// letters are all of them, the oldest first. A service that hears nothing has none.
func (o office) letters(ctx context.Context) (all []letter, err error) {
	cursor := ""
	for {
		status, body, err := o.call(ctx, http.MethodGet, "/dead-letters?limit=100"+cursor)
		if err != nil || status == http.StatusNotFound {
			return all, err
		}
		if status != http.StatusOK {
			return nil, fmt.Errorf("%d %s", status, shorten(body))
		}
		var page struct {
			Items      []letter `json:"items"`
			NextCursor *string  `json:"next_cursor"`
		}
		if err := json.Unmarshal(body, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.NextCursor == nil {
			return all, nil
		}
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
}

// do says in words what became of it.
func (o office) do(ctx context.Context, verb string, l letter) string {
	method, path, done := http.MethodPost, "/dead-letters/"+l.EventID+"/replay", "replayed"
	if verb == "discard" {
		method, path, done = http.MethodDelete, "/dead-letters/"+l.EventID, "discarded"
	}
	status, body, err := o.call(ctx, method, path)
	switch {
	case err != nil:
		return "NOT " + done + ": " + err.Error()
	case status != http.StatusNoContent:
		return fmt.Sprintf("NOT %s: %d %s", done, status, shorten(body))
	}
	return done
}

func (o office) call(ctx context.Context, method, path string) (status int, body []byte, err error) {
	return call(ctx, method, o.app.Port, path, o.token)
}

// call calls an app or a sidecar with the token that it wants to see.
func call(ctx context.Context, method string, port int, path, token string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("dapr-api-token", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

func shorten(body []byte) string {
	return fmt.Sprintf("%.200s", bytes.Join(bytes.Fields(body), []byte(" ")))
}
