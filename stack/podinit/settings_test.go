package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	keyA = "MDxPZK0jUzmEYlX1nT5J0oUu0mHkqvxqO1NRSXYUv8E="
	keyB = "q0hcVJ0LJ1n0VqYQn8Ow7X6m9lq0vNn1H5mJcGxkq3w="
)

// TestChosenSecrets: what is set is taken the first time. Another value later is refused, with what to do, and changes
// nothing.
func TestChosenSecrets(t *testing.T) {
	dir := t.TempDir()
	files := made(t, dir, "DB_USER=shopkeeper", "DB_PASSWORD=a long password", "JWT_SECRET_KEY="+keyA)
	if files["postgres/user"] != "shopkeeper" || files["postgres/password"] != "a long password" ||
		!strings.Contains(files["users/secrets.json"], keyA) {
		t.Errorf("%q %q %s", files["postgres/user"], files["postgres/password"], files["users/secrets.json"])
	}
	if again := made(t, dir); !maps.Equal(files, again) {
		t.Error("unset, they changed")
	}
	for env, want := range map[string]string{
		"DB_USER=postgres":        `DB_USER is "postgres", but this platform's database was made by "shopkeeper"`,
		"DB_PASSWORD=another":     "ALTER ROLE shopkeeper PASSWORD",
		"JWT_SECRET_KEY=" + keyB:  "set OLD,NEW, then NEW,OLD, then NEW",
		"JWT_SECRET_KEY=c2hvcnQ=": "JWT_SECRET_KEY: must be 32 random bytes in base64 (openssl rand -base64 32)",
		"JWT_SECRET_KEY=mysecret": "JWT_SECRET_KEY: must be 32 random bytes in base64 (openssl rand -base64 32)",
	} {
		out, status := runPodinit(t, []string{env}, "secrets", "-dir", dir)
		if _, value, _ := strings.Cut(env, "="); status != 1 || !strings.Contains(out, want) || strings.Contains(want, "JWT") && strings.Contains(out, value) {
			t.Errorf("%s: %d %s", env, status, out)
		}
	}
	if again := contents(t, dir); !maps.Equal(files, again) {
		t.Error("what was refused changed files")
	}
}

// TestSigningKeyIsReplacedInSteps as docs/operations.md has it.
func TestSigningKeyIsReplacedInSteps(t *testing.T) {
	dir := t.TempDir()
	for _, value := range []string{keyA, keyA + "," + keyB, keyB + "," + keyA, keyB} {
		if files := made(t, dir, "JWT_SECRET_KEY="+value); !strings.Contains(files["users/secrets.json"], `"`+value+`"`) {
			t.Errorf("%s is not in %s", value, files["users/secrets.json"])
		}
	}
}

// TestSecretsOfProvidersFollowTheSettings, also when one is removed.
func TestSecretsOfProvidersFollowTheSettings(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ set, want string }{
		{"STRIPE_API_KEY=sk_one", `"stripe-api-key": "sk_one"`},
		{"NOTHING=", `"stripe-api-key": "sk_one"`}, // not set is not removed
		{"STRIPE_API_KEY=sk_two", `"stripe-api-key": "sk_two"`},
		{"STRIPE_API_KEY=", `"stripe-api-key": ""`},
	} {
		if files := made(t, dir, tt.set); !strings.Contains(files["orders/secrets.json"], tt.want) {
			t.Errorf("%s: %s", tt.set, files["orders/secrets.json"])
		}
	}
	files := made(t, dir, "EMAIL_USERNAME=apikey", "EMAIL_PASSWORD=it's")
	for _, want := range []string{`"smtp-username": "apikey"`, `"smtp-password": "it's"`} {
		if !strings.Contains(files["notifications/secrets.json"], want) {
			t.Errorf("no %s in %s", want, files["notifications/secrets.json"])
		}
	}
}

func TestDatabaseAddress(t *testing.T) {
	dir := t.TempDir()
	first := made(t, dir)["orders/secrets.json"]
	if !strings.Contains(first, "@postgres:5432/orders?sslmode=disable") {
		t.Error(first)
	}
	moved := made(t, dir, "DB_ADDR=db.example.com:6432", "DB_SSLMODE=verify-full", "DB_SSLROOTCERT=/run/db/ca.crt")["orders/secrets.json"]
	want := strings.Replace(first, "@postgres:5432/orders?sslmode=disable",
		"@db.example.com:6432/orders?sslmode=verify-full\\u0026sslrootcert=%2Frun%2Fdb%2Fca.crt", 1)
	if moved != want {
		t.Errorf("%s\nwant %s", moved, want)
	}
}

func envFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSettingsOfTheFile: what is no secret goes to the services, in a file that Compose and Swarm read alike.
func TestSettingsOfTheFile(t *testing.T) {
	dir := t.TempDir()
	path := envFile(t, "# mine\nPUBLIC_URL=https://shop.example\nMAIL_FROM=\"My Shop <me@shop.example>\"\nLOG_LEVEL=\n"+
		"DB_PASSWORD='pa$$word of mine'\nSTRIPE_API_KEY=sk_one # live\n")
	if out, status := runPodinit(t, []string{"PUBLIC_URL=https://other.example"}, "secrets", "-dir", dir, "-env", path); status != 0 {
		t.Fatal(out)
	}
	files := contents(t, dir)
	_, settings, _ := strings.Cut(files["from-make-secrets.env"], "\n")
	if want := "MAIL_FROM=My Shop <me@shop.example>\nPUBLIC_URL=https://other.example\n"; settings != want {
		t.Errorf("%q, want %q", settings, want)
	}
	if files["postgres/password"] != "pa$$word of mine" || !strings.Contains(files["orders/secrets.json"], `"sk_one"`) {
		t.Errorf("%q %s", files["postgres/password"], files["orders/secrets.json"])
	}
	for text, want := range map[string]string{
		"MAIL_FROM='$HOME'\n":     "MAIL_FROM: Compose and Swarm read quotes",
		"MAIL_FROM='say \"x\"'\n": "MAIL_FROM: Compose and Swarm read quotes",
		"not a setting\n":         "line 1",
	} {
		if out, status := runPodinit(t, nil, "secrets", "-dir", t.TempDir(), "-env", envFile(t, text)); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: %d %s", text, status, out)
		}
	}
	if out, status := runPodinit(t, nil, "secrets", "-dir", dir, "-env", "/none/.env"); status != 1 || !strings.Contains(out, "copy .env.example") {
		t.Errorf("%d %s", status, out)
	}
	// A provider's secret that is no longer in the file is removed.
	if out, status := runPodinit(t, nil, "secrets", "-dir", dir, "-env", envFile(t, "LOG_LEVEL=info\n")); status != 0 {
		t.Fatal(out)
	}
	if text := contents(t, dir)["orders/secrets.json"]; !strings.Contains(text, `"stripe-api-key": ""`) {
		t.Error(text)
	}
}

// safe are settings that a public platform can have.
var safe = map[string]string{
	"PUBLIC_URL": "https://shop.example", "TRUSTED_HOSTS": "shop.example", "SMTP_ADDR": "smtp.example:587", "SMTP_AUTH": "true",
	"EMAIL_USERNAME": "apikey", "EMAIL_PASSWORD": "SG.b2PqWo", "MAIL_FROM": "Shop <me@shop.example>",
	"PAYMENT_PROVIDER": "stripe", "STRIPE_API_KEY": "sk_live_4242", "STRIPE_WEBHOOK_KEY": "whsec_4242",
}

// TestProductionRefusesUnsafeSettings: each rule, one by one, and all together. Nothing is made.
func TestProductionRefusesUnsafeSettings(t *testing.T) {
	production := func(changes map[string]string) (dir, out string, status int) {
		all := maps.Clone(safe)
		maps.Copy(all, changes)
		text := ""
		for name, value := range all {
			text += name + "=" + value + "\n"
		}
		dir = filepath.Join(t.TempDir(), "secrets")
		out, status = runPodinit(t, nil, "secrets", "-production", "-dir", dir, "-env", envFile(t, text))
		return dir, out, status
	}
	if _, out, status := production(nil); status != 0 {
		t.Fatalf("safe settings: %s", out)
	}
	if _, out, status := production(map[string]string{"PAYMENT_PROVIDER": "simulated", "STRIPE_API_KEY": "", "STRIPE_WEBHOOK_KEY": "",
		"SMTP_AUTH": "", "EMAIL_USERNAME": "", "EMAIL_PASSWORD": "", "DB_PASSWORD": "vJm3tWq8ZkT1xR5n", "JWT_SECRET_KEY": keyA}); status != 0 {
		t.Fatalf("other safe settings: %s", out)
	}
	for _, change := range []string{
		"SIDECART_ENV=local", "DB_PASSWORD=short", "DB_PASSWORD=changeme-changeme-changeme", "JWT_SECRET_KEY=c2hvcnQ=",
		"PUBLIC_URL=", "PUBLIC_URL=http://shop.example", "PUBLIC_URL=https://localhost", "PUBLIC_URL=https://127.0.0.1:8443",
		"PUBLIC_URL=https://shop.example/path", "TRUSTED_HOSTS=", "TRUSTED_HOSTS=localhost", "TRUSTED_HOSTS=other.example",
		"SMTP_ADDR=", "SMTP_ADDR=mailhog:1025", "SMTP_ADDR=localhost:25", "SMTP_TLS=none", "EMAIL_USERNAME=", "EMAIL_PASSWORD=changeme",
		"SMTP_AUTH=false", "SMTP_AUTH=", "MAIL_FROM=", "MAIL_FROM=Sidecart <shop@sidecart.example>", "PAYMENT_PROVIDER=",
		"STRIPE_API_KEY=", "STRIPE_WEBHOOK_KEY=", "STRIPE_API_KEY=your-key",
	} {
		name, value, _ := strings.Cut(change, "=")
		dir, out, status := production(map[string]string{name: value})
		if status != 1 || !strings.Contains(out, name+": ") && !strings.Contains(out, name+" ") {
			t.Errorf("%s: %d %s", change, status, out)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: secrets were made", change)
		}
	}
	out, _ := runPodinit(t, nil, "secrets", "-production", "-dir", t.TempDir(), "-env", envFile(t, "SIDECART_ENV=local\n"))
	for _, name := range []string{"SIDECART_ENV", "PUBLIC_URL", "TRUSTED_HOSTS", "SMTP_ADDR", "MAIL_FROM", "PAYMENT_PROVIDER"} {
		if !strings.Contains(out, name+": ") {
			t.Errorf("%s is not reported:\n%s", name, out)
		}
	}
}

// TestExampleFile: a copy of .env.example sets nothing, and production says what it lacks.
func TestExampleFile(t *testing.T) {
	const example = "../../.env.example"
	dir := t.TempDir()
	if out, status := runPodinit(t, nil, "secrets", "-dir", dir, "-env", example); status != 0 {
		t.Fatal(out)
	}
	if _, text, _ := strings.Cut(contents(t, dir)["from-make-secrets.env"], "\n"); text != "" {
		t.Errorf(".env.example sets %s", text)
	}
	out, status := runPodinit(t, nil, "secrets", "-production", "-dir", dir, "-env", example)
	var named []string
	for line := range strings.Lines(strings.TrimPrefix(out, "podinit secrets: ")) {
		name, _, _ := strings.Cut(line, ":")
		named = append(named, name)
	}
	if want := []string{"PUBLIC_URL", "TRUSTED_HOSTS", "SMTP_ADDR", "MAIL_FROM", "PAYMENT_PROVIDER"}; status != 1 || !slices.Equal(named, want) {
		t.Errorf("%d %s", status, out)
	}
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(slices.Sorted(maps.Keys(safe)), secretSettings...) {
		if !strings.Contains(string(text), "\n"+name+"=\n") {
			t.Errorf(".env.example lacks %s", name)
		}
	}
}
