package auth_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestWeakSecretsAreRefused(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(i)
	}
	for name, secret := range map[string]string{
		"missing":              "",
		"a word":               "secret",
		"a well-known text":    "your-secret-key-change-in-production",
		"the same, encoded":    encoded([]byte("your-256-bit-secret-change-in-production")),
		"another text":         encoded([]byte("supersecretsupersecretsupersecret!")),
		"too short":            encoded(random(31)),
		"zeroes":               encoded(make([]byte, 32)),
		"one byte repeated":    encoded(bytes.Repeat([]byte{0xa7}, 32)),
		"counting":             encoded(counting),
		"eight bytes repeated": encoded(bytes.Repeat(random(8), 4)),
		"half repeated":        encoded(bytes.Repeat(random(16), 2)),
		"weak second":          encoded(random(32)) + "," + encoded(make([]byte, 32)),
		"empty second":         encoded(random(32)) + ",",
	} {
		_, err := auth.NewSigner(secret)
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error contains the secret: %v", name, err)
		}
	}
	for range 1000 {
		if _, err := auth.NewSigner(encoded(random(32))); err != nil {
			t.Fatalf("a random secret is refused: %v", err)
		}
	}
}

func TestTwoSecretsDeriveTheKeysOfBoth(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString
	before, after := encoded(random(32)), encoded(random(32))
	old, err := auth.NewSigner(before)
	if err != nil {
		t.Fatal(err)
	}
	both, err := auth.NewSigner(after + ", " + before)
	if err != nil {
		t.Fatal(err)
	}
	next, err := auth.NewSigner(after)
	if err != nil {
		t.Fatal(err)
	}
	earlier, later := old.NewKey(), both.NewKey()
	earlier.SignsFrom, later.SignsFrom = time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		signer *auth.Signer
		keys   int
		fails  bool
	}{"old": {old, 1, false}, "both": {both, 2, false}, "next": {next, 1, false}} {
		if err := c.signer.SetKeys([]auth.Key{earlier, later}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(c.signer.JWKS().Keys); n != c.keys {
			t.Errorf("%s publishes %d keys, want %d", name, n, c.keys)
		}
	}
	token := signed(t, both, kittest.NewCaller(shop.User))
	if kid(t, token) != later.ID {
		t.Error("the latest key does not sign")
	}
	if err := next.SetKeys([]auth.Key{earlier}); err == nil {
		t.Error("keys of a removed secret were accepted")
	}
	if !bytes.Equal(both.Derive("x"), next.Derive("x")) || bytes.Equal(both.Derive("x"), both.Derive("y")) {
		t.Error("Derive must depend on the first secret and the purpose only")
	}
}
