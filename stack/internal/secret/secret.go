// Package secret makes the secrets of an instance, once, and keeps them where only their owner can read them.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/instance"
)

// Databases are the services that have one: a database and a role of the service's name.
var Databases = []string{"users", "products", "orders", "notifications"}

// Set is what the secret store of the instance holds.
type Set map[string]string

// Load reads secrets.json of the instance and adds what is missing. What is there is never replaced: data is
// protected by it.
func Load(i instance.Instance) (Set, error) {
	set := Set{}
	if err := read(i.Path("secrets.json"), &set); err != nil {
		return nil, err
	}
	before := len(set)
	set.add("redis-password", token())
	set.add("notifications-key", token())
	set.add("vapid-private-key", base64.StdEncoding.EncodeToString(random(32)))
	set.add("JWT_SECRET_KEY", base64.StdEncoding.EncodeToString(random(32)))
	set.add("payment-webhook-key", token())
	set.add("stripe-api-key", os.Getenv("STRIPE_API_KEY"))
	set.add("stripe-webhook-key", os.Getenv("STRIPE_WEBHOOK_KEY"))
	set.add("smtp-username", os.Getenv("SMTP_USERNAME"))
	set.add("smtp-password", os.Getenv("SMTP_PASSWORD"))
	for _, db := range Databases {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(db, token()),
			Host: fmt.Sprintf("127.0.0.1:%d", i.Port(instance.Postgres)), Path: "/" + db, RawQuery: "sslmode=disable",
		}
		set.add(db+"-database-url", u.String())
	}
	if len(set) == before {
		return set, nil
	}
	return set, write(i.Path("secrets.json"), set)
}

// Password is the password in the address of a service's database.
func (s Set) Password(db string) (string, error) {
	u, err := url.Parse(s[db+"-database-url"])
	if err != nil {
		return "", fmt.Errorf("%s-database-url: not a URL", db)
	}
	pw, ok := u.User.Password()
	if !ok {
		return "", fmt.Errorf("%s-database-url: no password", db)
	}
	return pw, nil
}

func (s Set) add(name, value string) {
	if s[name] == "" {
		s[name] = value
	}
}

// Tokens are what an app shows its sidecar, and a sidecar its app, so that nothing else on the machine can speak for them.
type Tokens struct {
	Dapr string `json:"dapr"` // app to sidecar
	App  string `json:"app"`  // sidecar to app
}

// ReadTokens gives those of the platform that runs.
func ReadTokens(i instance.Instance) (all map[string]Tokens, err error) {
	text, err := os.ReadFile(i.Path("tokens.json"))
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(text, &all)
}

// NewTokens makes a pair for each app, new at every start, and leaves them in tokens.json for tests and for people who debug.
func NewTokens(i instance.Instance, apps []string) (map[string]Tokens, error) {
	all := make(map[string]Tokens, len(apps))
	for _, a := range apps {
		all[a] = Tokens{Dapr: token(), App: token()}
	}
	return all, write(i.Path("tokens.json"), all)
}

// WriteEnv writes the shell file that `dapr run -f` is started with: it carries what the run template cannot say. runtime is
// the folder in which the CLI finds daprd; more is what else belongs into the environment, as NAME=value.
func WriteEnv(i instance.Instance, runtime string, more []string) error {
	lines := []string{
		"# For the shell that runs `dapr run -f dapr/dapr.yaml`; made by `make infra`, with new tokens each time.",
		"export DAPR_API_TOKEN=" + token(),
		"export APP_API_TOKEN=" + token(),
		"export DAPR_HOST_IP=127.0.0.1 # sidecars announce this address to one another",
	}
	lines = append(lines, "export DAPR_RUNTIME_PATH="+Quote(runtime)+" # holds .dapr/bin/daprd")
	for _, variable := range more {
		name, value, _ := strings.Cut(variable, "=")
		lines = append(lines, "export "+name+"="+Quote(value))
	}
	return WriteFile(i.Path("env"), []byte(strings.Join(lines, "\n")+"\n"))
}

// Superuser is the password of the instance's database server, which no service learns.
func Superuser(i instance.Instance) (string, error) {
	path := i.Path("postgres.password")
	pw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		pw = []byte(token())
		return string(pw), WriteFile(path, pw)
	}
	return strings.TrimSpace(string(pw)), err
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.Chmod(path, 0o600)
}

func write(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(path, append(text, '\n'))
}

// WriteFile replaces a file in one step. It is private from its first byte on.
func WriteFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: the program ends if the system has no randomness
	return b
}

func token() string { return hex.EncodeToString(random(24)) }

// Quote writes a value for a shell.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
