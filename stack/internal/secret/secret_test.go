package secret

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sidecart/stack/internal/instance"
)

func newInstance(t *testing.T) instance.Instance {
	t.Helper()
	i := instance.Instance{Root: t.TempDir(), Name: "e2e", Offset: 10000}
	if err := os.MkdirAll(i.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSecretsAreCreatedOnceAndPrivate(t *testing.T) {
	i := newInstance(t)
	first, err := Load(i)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"redis-password", "users-database-url", "products-database-url",
		"orders-database-url", "notifications-database-url", "JWT_SECRET_KEY"} {
		if len(first[name]) < 32 {
			t.Errorf("%s is %q", name, first[name])
		}
	}
	if key, err := base64.StdEncoding.DecodeString(first["JWT_SECRET_KEY"]); err != nil || len(key) != 32 {
		t.Errorf("JWT_SECRET_KEY: %d bytes, %v", len(key), err)
	}
	if !strings.Contains(first["orders-database-url"], "@127.0.0.1:25432/orders?") {
		t.Errorf("orders-database-url does not have the instance's port: %s", first["orders-database-url"])
	}
	again, err := Load(i)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(first, again) {
		t.Error("the second load changed secrets")
	}
	private(t, i.Path("secrets.json"))
}

func TestExistingSecretsAreKeptAndMissingOnesAdded(t *testing.T) {
	i := newInstance(t)
	if err := os.WriteFile(i.Path("secrets.json"), []byte(`{"redis-password":"mine","extra":"too"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Load(i)
	if err != nil {
		t.Fatal(err)
	}
	if set["redis-password"] != "mine" || set["extra"] != "too" || set["JWT_SECRET_KEY"] == "" {
		t.Errorf("got %v", set)
	}
	private(t, i.Path("secrets.json"))
}

func TestTokensDifferForEachApp(t *testing.T) {
	i := newInstance(t)
	tokens, err := NewTokens(i, []string{"users", "orders"})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, pair := range tokens {
		seen[pair.App], seen[pair.Dapr] = true, true
	}
	if len(seen) != 4 {
		t.Errorf("%d different tokens, want 4", len(seen))
	}
	var onDisk map[string]Tokens
	text, err := os.ReadFile(i.Path("tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &onDisk); err != nil || !maps.Equal(onDisk, tokens) {
		t.Errorf("tokens.json has %v, %v", onDisk, err)
	}
	private(t, i.Path("tokens.json"))
}

func TestEnvFile(t *testing.T) {
	i := newInstance(t)
	if err := WriteEnv(i, "/some where/it's", []string{"DAPR_TRUST_ANCHORS=two\nlines"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(i.Path("env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"export DAPR_HOST_IP=127.0.0.1", `export DAPR_RUNTIME_PATH='/some where/it'\''s'`,
		"export DAPR_TRUST_ANCHORS='two\nlines'\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	private(t, i.Path("env"))
}

func private(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o", filepath.Base(path), info.Mode().Perm())
	}
}
