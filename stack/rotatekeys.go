package main

import (
	"context"
	"encoding/json"
	"fmt"
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
	status, text, err := call(ctx, http.MethodPost, users.Ports["http"], "/v1.0/invoke/users/method/keys/rotate", tokens["users"].Dapr)
	if err != nil {
		return err
	}
	var made struct {
		KeyID     string    `json:"kid"`
		SignsFrom time.Time `json:"signs_from"`
	}
	if status != http.StatusOK || json.Unmarshal(text, &made) != nil {
		return fmt.Errorf("users answers %d: %.300s", status, text)
	}
	fmt.Printf("key %s is published and signs from %s; the one before it is published until its last token has expired\n",
		made.KeyID, made.SignsFrom.Local().Format(time.TimeOnly))
	return nil
}
