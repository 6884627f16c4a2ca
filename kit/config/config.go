// Package config reads settings that are not secret from the environment: each variable once, at the top of a main,
// with a default for a laptop. docs/operations.md lists all of them.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/kit/web"
)

// Env reads variables and collects their errors. Pass a pointer: errors of a copy would be lost.
type Env struct {
	_   noCopy
	err error
}

// noCopy makes go vet refuse copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// String returns a variable's text, or fallback if it is unset or empty.
func (e *Env) String(name, fallback string) string {
	return cmp.Or(os.Getenv(name), fallback)
}

// Int returns a whole number of at least minimum.
func (e *Env) Int(name string, fallback, minimum int) int {
	return read(e, name, fallback, func(v string) (int, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < minimum {
			return 0, fmt.Errorf("must be a whole number of at least %d", minimum)
		}
		return n, nil
	})
}

// Bool returns true or false.
func (e *Env) Bool(name string, fallback bool) bool {
	return read(e, name, fallback, func(v string) (bool, error) {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, errors.New("must be true or false")
		}
		return b, nil
	})
}

// Duration returns a positive duration like 500ms, 15m or 24h.
func (e *Env) Duration(name string, fallback time.Duration) time.Duration {
	return read(e, name, fallback, func(v string) (time.Duration, error) {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return 0, errors.New("must be a duration like 500ms, 15m or 24h")
		}
		return d, nil
	})
}

// OneOf returns one of the allowed values.
func (e *Env) OneOf(name, fallback string, allowed ...string) string {
	return read(e, name, fallback, func(v string) (string, error) {
		if !slices.Contains(allowed, v) {
			return "", fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		return v, nil
	})
}

// Reject adds an error of a variable; nil adds none.
func (e *Env) Reject(name string, err error) {
	if err != nil {
		e.err = errors.Join(e.err, fmt.Errorf("%s: %w", name, err))
	}
}

func read[T any](e *Env, name string, fallback T, parse func(string) (T, error)) T {
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	parsed, err := parse(v)
	if err != nil {
		e.err = errors.Join(e.err, fmt.Errorf("%s=%q: %w", name, v, err))
		return fallback
	}
	return parsed
}

// Local reports whether this is a developer's machine (SIDECART_ENV=local).
func (e *Env) Local() bool { return e.String("SIDECART_ENV", "production") == "local" }

// Web reads the settings of an app's HTTP server: HOST (127.0.0.1), APP_PORT and REQUEST_TIMEOUT. APP_API_TOKEN, by
// which the app recognises its sidecar, must be set outside the local environment.
func (e *Env) Web(port string) web.Config {
	token := e.String("APP_API_TOKEN", "")
	if token == "" && !e.Local() {
		e.err = errors.Join(e.err, errors.New("APP_API_TOKEN is not set: without it, any client that reaches the app's port can pose as its sidecar"))
	}
	return web.Config{
		Addr:     net.JoinHostPort(e.String("HOST", "127.0.0.1"), e.String("APP_PORT", port)),
		AppToken: token,
		Timeout:  e.Duration("REQUEST_TIMEOUT", 10*time.Second),
	}
}

// Err returns the errors of all variables.
func (e *Env) Err() error { return e.err }
