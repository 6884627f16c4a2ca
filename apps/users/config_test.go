package main

import (
	"strings"
	"testing"

	"sidecart/kit/config"
)

// TestInvalidSettingsAreRejected: an invalid variable, and a missing APP_API_TOKEN outside the local environment, keep
// the service from starting.
func TestInvalidSettingsAreRejected(t *testing.T) {
	t.Setenv("SIDECART_ENV", "production")
	t.Setenv("APP_API_TOKEN", "")
	t.Setenv("LOCKOUT_DURATION", "soon")
	var env config.Env
	readSettings(&env)
	err := env.Err()
	if err == nil {
		t.Fatal("invalid settings are accepted")
	}
	for _, name := range []string{"APP_API_TOKEN", "LOCKOUT_DURATION"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("no error about %s: %v", name, err)
		}
	}
}
