// Package secret creates the secrets of an instance once, and stores them in files that only their owner can read.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/database"
	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/settings"
)

// Set is the content of the instance's secret store.
type Set map[string]string

// Load reads secrets.json of the instance and adds what is missing. Existing secrets never change: data depends on
// them.
func Load(i instance.Instance) (Set, error) {
	set, path := Set{}, i.Path("secrets.json")
	switch text, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := errors.Join(json.Unmarshal(text, &set), os.Chmod(path, 0o600)); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	before := maps.Clone(set)
	set.Complete(func(db, password string) string { return database.URL(i.Port(instance.Postgres), db, password, db) })
	set.FollowProviders(settings.Environment())
	if maps.Equal(set, before) {
		return set, nil
	}
	return set, writeJSON(path, set)
}

// Complete makes the secrets that are missing. url is the URL of a service's database.
func (s Set) Complete(url func(db, password string) string) {
	s.add("redis-password", token())
	s.add("notifications-key", token())
	s.add("vapid-private-key", base64.StdEncoding.EncodeToString(random(32)))
	s.add("JWT_SECRET_KEY", base64.StdEncoding.EncodeToString(random(32)))
	s.add("payment-webhook-key", token())
	for _, db := range Databases() {
		s.add(DatabaseURL(db), url(db, token()))
	}
}

// FollowProviders takes the secrets that providers made from the settings: one that is set replaces the secret, also an
// empty one.
func (s Set) FollowProviders(from settings.Settings) {
	follow := func(secret, value string, set bool) {
		if s.add(secret, value); set {
			s[secret] = value
		}
	}
	value, set := from.Lookup("STRIPE_API_KEY")
	follow("stripe-api-key", value, set)
	value, set = from.Lookup("STRIPE_WEBHOOK_KEY")
	follow("stripe-webhook-key", value, set)
	value, set = from.Lookup("EMAIL_USERNAME")
	follow("smtp-username", value, set)
	value, set = from.Lookup("EMAIL_PASSWORD")
	follow("smtp-password", value, set)
}

// Password is the password in the URL of a service's database.
func (s Set) Password(db string) (string, error) {
	u, err := url.Parse(s[DatabaseURL(db)])
	if err != nil {
		return "", fmt.Errorf("secrets.json: %s is no URL", DatabaseURL(db))
	}
	password, _ := u.User.Password()
	if password == "" {
		return "", fmt.Errorf("secrets.json: %s has no password", DatabaseURL(db))
	}
	return password, nil
}

func (s Set) add(name, value string) {
	if s[name] == "" {
		s[name] = value
	}
}

// Tokens authenticate an app to its sidecar and the sidecar to its app.
type Tokens struct {
	Dapr string `json:"dapr"` // app to sidecar
	App  string `json:"app"`  // sidecar to app
}

// ReadTokens returns the tokens of the running platform, by app.
func ReadTokens(i instance.Instance) (all map[string]Tokens, err error) {
	text, err := os.ReadFile(i.Path("tokens.json"))
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

// NewTokens creates new tokens for each app, and writes them to tokens.json for tests and for debugging.
func NewTokens(i instance.Instance, apps []string) (map[string]Tokens, error) {
	all := make(map[string]Tokens, len(apps))
	for _, a := range apps {
		all[a] = NewPair()
	}
	return all, writeJSON(i.Path("tokens.json"), all)
}

// NewPair makes the tokens between one app and its sidecar.
func NewPair() Tokens { return Tokens{Dapr: token(), App: token()} }

// WriteEnv writes the shell file for `dapr run -f`, with what the run template cannot set. runtime is the folder in
// which the CLI finds daprd; extra are further variables, as NAME=value.
func WriteEnv(i instance.Instance, runtime string, extra []string) error {
	lines := []string{
		"# For the shell that runs `dapr run -f dapr/dapr.yaml`; written by `make infra`, with new tokens each time.",
		"export DAPR_API_TOKEN=" + token(),
		"export APP_API_TOKEN=" + token(),
		"export DAPR_HOST_IP=127.0.0.1 # the address that sidecars register",
		"export DAPR_RUNTIME_PATH=" + ShellQuote(runtime) + " # contains .dapr/bin/daprd",
	}
	for _, variable := range extra {
		name, value, _ := strings.Cut(variable, "=")
		lines = append(lines, "export "+name+"="+ShellQuote(value))
	}
	return WriteFile(i.Path("env"), []byte(strings.Join(lines, "\n")+"\n"))
}

// ShellQuote quotes a value for a shell.
func ShellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// SuperuserPassword is the password of the database server's superuser. Services do not have it.
func SuperuserPassword(i instance.Instance) (string, error) {
	path := i.Path("postgres.password")
	password, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		password = []byte(NewPassword())
		err = WriteFile(path, password)
	}
	return strings.TrimSpace(string(password)), err
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(text, '\n'))
}

// WriteFile replaces a file atomically. Only its owner can read it, at any time.
func WriteFile(path string, text []byte) error { return WriteFileMode(path, text, 0o600) }

// WriteFileMode replaces a file atomically.
func WriteFileMode(path string, text []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the program ends if the system has no randomness
	return b
}

// NewPassword makes a password.
func NewPassword() string { return token() }

func token() string { return hex.EncodeToString(random(24)) }
