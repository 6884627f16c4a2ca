package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/secret"
)

// rotateKeys has users create a new signing key. Only its own sidecar may request that.
func rotateKeys(ctx context.Context, c command) error {
	state, err := runningState(c)
	if err != nil {
		return err
	}
	sidecar, ok := state.Process(platform.SidecarName("users"))
	if !ok {
		return errNotRunning
	}
	tokens, err := secret.ReadTokens(c.Instance)
	if err != nil {
		return err
	}
	const path = "/v1.0/invoke/users/method/keys/rotate"
	body, err := call(ctx, http.MethodPost, sidecar.Ports["http"], path, tokens["users"].Dapr)
	if err != nil {
		return err
	}
	var created struct {
		KeyID     string    `json:"kid"`
		SignsFrom time.Time `json:"signs_from"`
	}
	if err := json.Unmarshal(body, &created); err != nil {
		return fmt.Errorf("the response of users: %w", err)
	}
	fmt.Printf("key %s is published and signs from %s; the previous key is published until its tokens have expired\n",
		created.KeyID, created.SignsFrom.Local().Format(time.TimeOnly))
	return nil
}

// statusError is a response that is not 2xx.
type statusError struct {
	status int
	body   []byte
}

func (e statusError) Error() string {
	return fmt.Sprintf("%d %.200s", e.status, bytes.Join(bytes.Fields(e.body), []byte(" ")))
}

// call calls an app or a sidecar with its API token. It fails with a statusError.
func call(ctx context.Context, method string, port int, path, token string) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("dapr-api-token", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(res.Body); err == nil && res.StatusCode/100 != 2 {
		err = statusError{res.StatusCode, body}
	}
	return body, err
}
