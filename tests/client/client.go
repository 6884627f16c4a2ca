// Package client is a small client of the public API, for the end-to-end test, the demonstration and the benchmark.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Client calls one platform as one user, or anonymously without a Token.
type Client struct {
	Base  string // http://localhost:8000
	Token string
	From  string // the address that it calls from, one of 127.0.0.0/8; whichever the system takes if empty
}

// Response is a response of the API.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Form is a body that is sent as a form.
type Form url.Values

// Raw is a body that is sent as it is, as JSON.
type Raw string

var clients sync.Map // of *http.Client by the address that it calls from

func (c Client) http() *http.Client {
	if known, ok := clients.Load(c.From); ok {
		return known.(*http.Client)
	}
	dialer := net.Dialer{}
	if c.From != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.From)}
	}
	made, _ := clients.LoadOrStore(c.From, &http.Client{
		Timeout: 20 * time.Second, Transport: observed{&http.Transport{MaxIdleConnsPerHost: 64, DialContext: dialer.DialContext}},
	})
	return made.(*http.Client)
}

// Do makes one call, written "POST /api/v1/orders". Body is nil, a Form, a Raw, or anything that becomes JSON; headers
// come in pairs. It fails only without a response.
func (c Client) Do(ctx context.Context, call string, body any, headers ...string) (Response, error) {
	method, path, _ := strings.Cut(call, " ")
	text, contentType, err := encode(body)
	if err != nil {
		return Response{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, bytes.NewReader(text))
	if err != nil {
		return Response{}, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http().Do(req)
	if err != nil {
		return Response{}, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	received, err := io.ReadAll(res.Body)
	return Response{Status: res.StatusCode, Header: res.Header, Body: received}, err
}

func encode(body any) (text []byte, contentType string, err error) {
	switch b := body.(type) {
	case nil:
		return nil, "", nil
	case Form:
		return []byte(url.Values(b).Encode()), "application/x-www-form-urlencoded", nil
	case Raw:
		return []byte(b), "application/json", nil
	}
	text, err = json.Marshal(body)
	return text, "application/json", err
}

// Into reads the body as JSON. It fails unless the status is the wanted one.
func (res Response) Into(want int, value any) error {
	if res.Status != want {
		return fmt.Errorf("status %d, want %d: %.500s", res.Status, want, res.Body)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(res.Body, value)
}

// Call is Do and Into: it fails unless the response has the wanted status.
func (c Client) Call(ctx context.Context, call string, body any, want int, into any) error {
	res, err := c.Do(ctx, call, body)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	if err := res.Into(want, into); err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

// SignIn returns a client of the same platform with the user's token.
func (c Client) SignIn(ctx context.Context, username, password string) (Client, error) {
	var pair struct {
		AccessToken string `json:"access_token"`
	}
	err := c.Call(ctx, "POST /api/v1/auth/login", Form{"username": {username}, "password": {password}}, 200, &pair)
	return Client{Base: c.Base, Token: pair.AccessToken, From: c.From}, err
}

// Order is what the tests read of an order.
type Order struct {
	ID      string      `json:"id"`
	Number  string      `json:"number"`
	Status  string      `json:"status"`
	Total   json.Number `json:"total"`
	History []struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	} `json:"history"`
}

// Notification is what the tests read of a notification.
type Notification struct {
	Kind string `json:"kind"`
	Data struct {
		OrderID string `json:"order_id"`
	} `json:"data"`
}

// Page is a list.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Level is how much there is of a product.
type Level struct {
	OnHand    int `json:"on_hand"`
	Reserved  int `json:"reserved"`
	Available int `json:"available"`
}
