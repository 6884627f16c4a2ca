package identity

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sidecart/stack/internal/place"
)

func instance(t *testing.T) place.Instance {
	t.Helper()
	i := place.Instance{Root: t.TempDir(), Name: "journey", Offset: 10000}
	if err := os.MkdirAll(i.Dir(), 0o750); err != nil {
		t.Fatal(err)
	}
	return i
}

var made = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// authority writes what sentry makes: a root, an issuer signed by it, and the issuer's key.
func authority(t *testing.T, i place.Instance) {
	t.Helper()
	if err := Prepare(i, made, t.Logf); err != nil {
		t.Fatal(err)
	}
	rootKey, issuerKey := key(t), key(t)
	root, issuer := certificate(1), certificate(2)
	write(t, i, "ca.crt", "CERTIFICATE", signed(t, root, root, &rootKey.PublicKey, rootKey))
	write(t, i, "issuer.crt", "CERTIFICATE", signed(t, issuer, root, &issuerKey.PublicKey, rootKey))
	private, err := x509.MarshalPKCS8PrivateKey(issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, i, "issuer.key", "PRIVATE KEY", private)
}

func key(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func certificate(serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: made, NotAfter: made.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
}

func signed(t *testing.T, c, by *x509.Certificate, public *ecdsa.PublicKey, private *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t *testing.T, i place.Instance, name, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(Authority(i), name), text, 0o644); err != nil { //nolint:gosec // Prepare closes it
		t.Fatal(err)
	}
}

func TestAuthorityIsKeptOrMendedWithAWord(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(t *testing.T, i place.Instance)
		now    time.Time
		reason string // empty: it is kept
	}{
		{"well", func(*testing.T, place.Instance) {}, made.AddDate(0, 1, 0), ""},
		{"a month before its end", func(*testing.T, place.Instance) {}, made.AddDate(0, 11, 10), "it ends on 2027-01-01"},
		{"expired", func(*testing.T, place.Instance) {}, made.AddDate(2, 0, 0), "expired"},
		{"key lost", func(t *testing.T, i place.Instance) {
			t.Helper()
			if err := os.Remove(filepath.Join(Authority(i), "issuer.key")); err != nil {
				t.Fatal(err)
			}
		}, made.AddDate(0, 1, 0), "issuer.key is missing"},
		{"half a file", func(t *testing.T, i place.Instance) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(Authority(i), "issuer.crt"), []byte("-----BEGIN"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, made.AddDate(0, 1, 0), "issuer.crt"},
		{"another root", func(t *testing.T, i place.Instance) {
			t.Helper()
			k := key(t)
			write(t, i, "ca.crt", "CERTIFICATE", signed(t, certificate(1), certificate(1), &k.PublicKey, k))
		}, made.AddDate(0, 1, 0), "unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := instance(t)
			authority(t, i)
			tt.spoil(t, i)
			var said []string
			err := Prepare(i, tt.now, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) })
			if err != nil {
				t.Fatal(err)
			}
			left, err := os.ReadDir(Authority(i))
			if err != nil {
				t.Fatal(err)
			}
			if tt.reason == "" {
				if len(left) != 3 || len(said) != 0 {
					t.Errorf("left %v, said %q", left, said)
				}
				for _, name := range files {
					private(t, filepath.Join(Authority(i), name), 0o600)
				}
				private(t, Authority(i), 0o700)
				return
			}
			if len(left) != 0 || len(said) != 1 || !strings.Contains(said[0], tt.reason) || !strings.Contains(said[0], "making a new one") {
				t.Errorf("left %v, said %q, want a word about %q", left, said, tt.reason)
			}
		})
	}
}

func TestEachProcessHasATokenForItsNameAlone(t *testing.T) {
	i := instance(t)
	if err := Admit(i, []string{"orders", "users"}); err != nil {
		t.Fatal(err)
	}
	public := publicKey(t, i)
	for name, subject := range map[string]string{
		"orders": "spiffe://public/ns/default/orders", "users": "spiffe://public/ns/default/users",
		Placement: "spiffe://sidecart/ns/default/dapr-placement", Scheduler: "spiffe://sidecart/ns/default/dapr-scheduler",
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
	if err := Admit(i, []string{"orders"}); err != nil {
		t.Fatal(err)
	}
	if publicKey(t, i).Equal(public) {
		t.Error("the tokens of an earlier start are still good")
	}
	if _, err := os.Stat(tokenFile(i, "users")); !os.IsNotExist(err) {
		t.Errorf("the token of an app that is no more is left: %v", err)
	}
}

func publicKey(t *testing.T, i place.Instance) ed25519.PublicKey {
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

// TestLauncher: what Dapr's CLI starts is daprd, with the CLI's arguments and ours after them, and the app's own token.
func TestLauncher(t *testing.T) {
	i := instance(t)
	daprd := filepath.Join(t.TempDir(), "it's daprd")
	if err := os.WriteFile(daprd, []byte("#!/bin/sh\necho $DAPR_SENTRY_TOKEN_FILE\nprintf '%s|' \"$@\"\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	dir, err := Launcher(i, daprd, []string{"--more"})
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
