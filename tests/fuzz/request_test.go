package fuzz_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Media types of bodies.
const (
	jsonType      = "application/json"
	linesType     = "application/x-ndjson"
	csvType       = "text/csv"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

type header struct{ name, value string }

// request is a request as it is written to the connection: it may have bytes that no HTTP client would send.
type request struct {
	number       int
	op           *operation
	changes      []change // what is hostile in it
	as           *account // the caller
	method       string
	path         string   // encoded
	query        []string // name=value, encoded
	headers      []header
	media        string
	body         string
	hasBody      bool
	cells        []header // of a form or a row
	undocumented bool     // the document says nothing about such a request
}

// change is one hostile value in a request.
type change struct {
	target target
	value  value
}

func (r *request) uri() string {
	if len(r.query) == 0 {
		return r.path
	}
	return r.path + "?" + strings.Join(r.query, "&")
}

// text is the request on the wire.
func (r *request) text(host string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", r.method, r.uri(), host)
	if r.as.token != "" {
		fmt.Fprintf(&out, "Authorization: Bearer %s\r\n", r.as.token)
	}
	if r.media != "" {
		fmt.Fprintf(&out, "Content-Type: %s\r\n", r.media)
	}
	for _, h := range r.headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h.name, h.value)
	}
	if r.hasBody {
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(r.body))
	}
	out.WriteString("\r\n")
	out.WriteString(r.body)
	return out.String()
}

// response is a response, with its body as far as it is not a stream of events.
type response struct {
	*http.Response
	body string
}

// send sends a request on a connection of its own. It fails without a whole response.
func send(host string, r *request) (response, error) {
	conn, err := net.DialTimeout("tcp", host, 10*time.Second)
	if err != nil {
		return response{}, err
	}
	defer conn.Close() //nolint:errcheck // a test's end
	if err := conn.SetDeadline(time.Now().Add(40 * time.Second)); err != nil {
		return response{}, err
	}
	writeErr := make(chan error, 1)
	go func() { _, err := io.WriteString(conn, r.text(host)); writeErr <- err }()
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.method})
	if err != nil {
		return response{}, errors.Join(fmt.Errorf("no response: %w", err), conn.Close(), <-writeErr)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return response{Response: res}, nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return response{}, fmt.Errorf("the response of status %d ends early: %w", res.StatusCode, err)
	}
	return response{res, string(body)}, nil
}

// parsed is the request for the check of the contract, or nil for one that net/http cannot hold.
func (r *request) parsed(host string) *http.Request {
	u, err := url.Parse("http://" + host + r.uri())
	if err != nil {
		return nil
	}
	req := &http.Request{Method: r.method, URL: u, Host: host, Header: http.Header{}, ContentLength: int64(len(r.body))}
	if r.media != "" {
		req.Header.Set("Content-Type", r.media)
	}
	if r.as.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.as.token)
	}
	for _, h := range r.headers {
		req.Header.Add(h.name, h.value)
	}
	return req
}

// curl is a command of a POSIX shell that sends the request to a platform of `make run`.
func (r *request) curl() string {
	var out strings.Builder
	if r.hasBody {
		fmt.Fprintf(&out, "printf '%s' | ", printf(r.body))
	}
	out.WriteString("curl -i -g --path-as-is -X " + r.method)
	if r.as.token != "" {
		fmt.Fprintf(&out, ` -H "Authorization: Bearer $%s"`, strings.ToUpper(r.as.name))
	}
	if r.media != "" {
		out.WriteString(" -H " + shell("Content-Type: "+r.media))
	}
	for _, h := range r.headers {
		out.WriteString(" -H " + shell(h.name+": "+h.value))
	}
	if r.hasBody {
		out.WriteString(" --data-binary @-")
	}
	return out.String() + " " + shell("http://localhost:8000"+r.uri())
}

// shell quotes a word. Bytes that a terminal cannot show are written by printf.
func shell(text string) string {
	if escaped := printf(text); escaped != text {
		return `"$(printf '` + escaped + `')"`
	}
	return "'" + text + "'"
}

// printf is a text as the format of printf writes it. Long runs of one text are shown as they are: copy them whole.
func printf(text string) string {
	var out strings.Builder
	for _, ch := range []byte(text) {
		switch {
		case ch == '%':
			out.WriteString("%%")
		case ch == '\\':
			out.WriteString(`\\`)
		case ch < 0x20 || ch >= 0x7f || ch == '\'':
			fmt.Fprintf(&out, `\%03o`, ch)
		default:
			out.WriteByte(ch)
		}
	}
	return out.String()
}
