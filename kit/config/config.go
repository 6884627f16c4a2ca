// Package config reads what is not secret from the environment: each variable once, at the top of a main, with a
// default that works on a laptop. docs/operations.md has the table of all of them.
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

// Env reads variables and remembers what was wrong with them.
type Env struct{ err error }

// String is a variable's text, or fallback where it is unset or empty.
func (e *Env) String(name, fallback string) string {
	return cmp.Or(os.Getenv(name), fallback)
}

// Int is a whole number of at least least.
func (e *Env) Int(name string, fallback, least int) int {
	return read(e, name, fallback, func(v string) (int, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < least {
			return 0, fmt.Errorf("must be a whole number of at least %d", least)
		}
		return n, nil
	})
}

// Bool is true or false.
func (e *Env) Bool(name string, fallback bool) bool {
	return read(e, name, fallback, func(v string) (bool, error) {
		b, err := strconv.ParseBool(v)
		if err != nil {
			return false, errors.New("must be true or false")
		}
		return b, nil
	})
}

// Duration is a positive time like 500ms, 15m, 24h.
func (e *Env) Duration(name string, fallback time.Duration) time.Duration {
	return read(e, name, fallback, func(v string) (time.Duration, error) {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return 0, errors.New("must be a time like 500ms, 15m or 24h")
		}
		return d, nil
	})
}

// OneOf is one of the words that are allowed.
func (e *Env) OneOf(name, fallback string, allowed ...string) string {
	return read(e, name, fallback, func(v string) (string, error) {
		if !slices.Contains(allowed, v) {
			return "", fmt.Errorf("must be one of %s", strings.Join(allowed, ", "))
		}
		return v, nil
	})
}

// Reject notes what is wrong with a variable that was read; nil is nothing.
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

// Local says whether this is somebody's laptop (SIDECART_ENV=local), where some defaults are friendlier.
func (e *Env) Local() bool { return e.String("SIDECART_ENV", "production") == "local" }

// Web is how every app listens: HOST (127.0.0.1) and APP_PORT. APP_API_TOKEN, which the sidecar shows to its app, must
// be set outside the local environment.
func (e *Env) Web(port string) web.Config {
	token := e.String("APP_API_TOKEN", "")
	if token == "" && !e.Local() {
		e.err = errors.Join(e.err, errors.New("APP_API_TOKEN is not set: without it anybody who reaches the app's port passes for its sidecar"))
	}
	return web.Config{
		Addr:     net.JoinHostPort(e.String("HOST", "127.0.0.1"), e.String("APP_PORT", port)),
		AppToken: token,
		Timeout:  e.Duration("REQUEST_TIMEOUT", 10*time.Second),
	}
}

// Err names every variable that cannot be used.
func (e *Env) Err() error { return e.err }
