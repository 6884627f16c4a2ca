package identity

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sidecart/stack/internal/instance"
)

func newInstance(t *testing.T) instance.Instance {
	t.Helper()
	i := instance.Instance{Root: t.TempDir(), Name: "e2e", Offset: 10000}
	if err := os.MkdirAll(i.Dir(), 0o750); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestEachProcessHasATokenForItsNameOnly(t *testing.T) {
	i := newInstance(t)
	if err := Create(i, []string{"orders", "users"}); err != nil {
		t.Fatal(err)
	}
	public := publicKey(t, i)
	for name, subject := range map[string]string{
		"orders": "spiffe://public/ns/default/orders", "users": "spiffe://public/ns/default/users",
		Placement: "spiffe://sidecart/ns/default/dapr-placement",
		Scheduler: "spiffe://sidecart/ns/default/dapr-scheduler",
	} {
		text, err := os.ReadFile(tokenFile(i, name))
		if err != nil {
			t.Fatal(err)
		}
		private(t, tokenFile(i, name), 0o600)
		part := strings.Split(string(text), ".")
		if len(part) != 3 || !ed25519.Verify(public, []byte(part[0]+"."+part[1]), decoded(t, part[2])) {
			t.Fatalf("%s: not signed by the key in keys.json: %s", name, text)
		}
		var claims struct{ Sub, Aud string }
		if err := json.Unmarshal(decoded(t, part[1]), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Sub != subject || claims.Aud != "spiffe://sidecart/ns/default/dapr-sentry" {
			t.Errorf("%s: %+v", name, claims)
		}
	}
	private(t, i.Path("identities"), 0o700)
	private(t, AuthorityDir(i), 0o700)
	anchors, err := os.ReadFile(TrustAnchors(i))
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(i, []string{"orders"}); err != nil {
		t.Fatal(err)
	}
	if publicKey(t, i).Equal(public) {
		t.Error("the tokens of an earlier start are still valid")
	}
	if again, err := os.ReadFile(TrustAnchors(i)); err != nil || bytes.Equal(again, anchors) {
		t.Errorf("the authority of an earlier start is left: %v", err)
	}
	if _, err := os.Stat(tokenFile(i, "users")); !os.IsNotExist(err) {
		t.Errorf("the token of a removed app is left: %v", err)
	}
}

func publicKey(t *testing.T, i instance.Instance) ed25519.PublicKey {
	t.Helper()
	text, err := os.ReadFile(i.Path("identities", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ X string } }
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return decoded(t, set.Keys[0].X)
}

func decoded(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLauncher: Dapr's CLI starts daprd with the CLI's arguments, then ours, and the app's token.
func TestLauncher(t *testing.T) {
	i := newInstance(t)
	daprd := filepath.Join(t.TempDir(), "it's daprd")
	script := []byte("#!/bin/sh\necho $DAPR_SENTRY_TOKEN_FILE\nprintf '%s|' \"$@\"\n")
	if err := os.WriteFile(daprd, script, 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	dir, err := WriteLauncher(i, daprd, []string{"--more"})
	if err != nil {
		t.Fatal(err)
	}
	const given = "--app-port|1|--app-id|orders|--x|a b|--sentry-address|localhost:50001|"
	args := strings.Split(strings.TrimSuffix(given, "|"), "|")
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, ".dapr", "bin", "daprd"), args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := i.Path("identities", "orders.jwt") + "\n" + given +
		"--enable-mtls|--sentry-address|127.0.0.1:25007|--control-plane-trust-domain|sidecart|--more|"
	if string(out) != want {
		t.Errorf("daprd gets\n%s\nwant\n%s", out, want)
	}
}

func private(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != want {
		t.Errorf("%s has mode %o, want %o", filepath.Base(path), info.Mode().Perm(), want)
	}
}
