package main

import (
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

	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// deadLetter is an event that a service could not handle.
type deadLetter struct {
	EventID  string    `json:"event_id"`
	Topic    string    `json:"topic"`
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	DiedAt   time.Time `json:"died_at"`
}

// deadLetters lists the dead letters of all services; "replay" or "discard" with an event id or "all" does that. It
// calls the services directly with their sidecars' tokens, which only the owner of tokens.json can read.
func deadLetters(ctx context.Context, c command) error {
	if _, err := runningState(c); err != nil {
		return err
	}
	action, id := "", ""
	switch {
	case len(c.args) == 2 && (c.args[0] == "replay" || c.args[0] == "discard"):
		action, id = c.args[0], c.args[1]
	case len(c.args) > 0:
		return errors.New("usage: stack dead-letters [replay ID | replay all | discard ID | discard all]")
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
		n, err := serviceDeadLetters(ctx, w, a, tokens[a.ID].App, action, id)
		if err != nil {
			return fmt.Errorf("%s: %w", a.ID, err)
		}
		found += n
	}
	if found == 0 {
		fmt.Println("no dead letters")
	}
	return w.Flush()
}

// serviceDeadLetters does the action for one service, writes a line for each dead letter, and returns their number.
func serviceDeadLetters(ctx context.Context, w io.Writer, a template.App, token, action, id string) (n int, err error) {
	letters, err := listDeadLetters(ctx, a.Port, token)
	for _, l := range letters {
		if id != "" && id != "all" && id != l.EventID {
			continue
		}
		n++
		outcome := l.Reason
		if action != "" {
			outcome = l.do(ctx, action, a.Port, token)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d attempts\t%s\n",
			a.ID, l.EventID, l.Topic, l.DiedAt.Format(time.DateTime), l.Attempts, outcome)
	}
	return n, err
}

// listDeadLetters returns all dead letters of a service, the oldest first. A service without subscriptions has no such
// route.
func listDeadLetters(ctx context.Context, port int, token string) (all []deadLetter, err error) {
	for cursor := ""; ; {
		body, err := call(ctx, http.MethodGet, port, "/dead-letters?limit=100"+cursor, token)
		if status := (statusError{}); errors.As(err, &status) && status.status == http.StatusNotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var page struct {
			Items      []deadLetter `json:"items"`
			NextCursor *string      `json:"next_cursor"`
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

// do replays or discards a dead letter and describes the outcome.
func (l deadLetter) do(ctx context.Context, action string, port int, token string) string {
	method, path, done := http.MethodPost, "/dead-letters/"+l.EventID+"/replay", "replayed"
	if action == "discard" {
		method, path, done = http.MethodDelete, "/dead-letters/"+l.EventID, "discarded"
	}
	if _, err := call(ctx, method, port, path, token); err != nil {
		return "NOT " + done + ": " + err.Error()
	}
	return done
}
