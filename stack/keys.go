package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/secret"
)

// rotateKeys has users make a new signing key. It asks through users' own sidecar, as nobody else may.
func rotateKeys(ctx context.Context, c command) error {
	state, err := platform.ReadState(c.Instance)
	if err != nil {
		return err
	}
	users, ok := state.Process(platform.SidecarName("users"))
	if !ok {
		return fmt.Errorf("the platform does not run: `make start` first")
	}
	tokens, err := secret.ReadTokens(c.Instance)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d/v1.0/invoke/users/method/keys/rotate", users.Ports["http"])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("dapr-api-token", tokens["users"].Dapr)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	var made struct {
		KeyID     string    `json:"kid"`
		SignsFrom time.Time `json:"signs_from"`
	}
	if res.StatusCode != http.StatusOK || json.Unmarshal(text, &made) != nil {
		return fmt.Errorf("users answers %d: %.300s", res.StatusCode, text)
	}
	fmt.Printf("key %s is published and signs from %s; the one before it is published until its last token has expired\n",
		made.KeyID, made.SignsFrom.Local().Format(time.TimeOnly))
	return nil
}
