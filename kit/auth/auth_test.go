package auth_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sidecart/kit/auth"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func newSigner(t *testing.T) (*auth.Signer, ed25519.PrivateKey) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed)
	s, err := auth.NewSigner(base64.StdEncoding.EncodeToString(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s, ed25519.NewKeyFromSeed(seed)
}

func TestVerify(t *testing.T) {
	signer, key := newSigner(t)
	other, _ := newSigner(t)
	v := auth.NewVerifier(signer.Fetch)
	alice := kittest.Somebody(shop.User)
	good, err := signer.Sign(alice, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(t.Context(), good); err != nil || got != alice {
		t.Fatalf("%+v, %v", got, err)
	}
	kid := signer.JWKS().Keys[0].ID
	x := signer.JWKS().Keys[0].X
	forge := func(method jwt.SigningMethod, with any, change func(jwt.MapClaims, map[string]any)) string {
		claims := jwt.MapClaims{"iss": auth.Issuer, "aud": auth.Audience, "sub": alice.ID.String(), "role": "admin",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		token := jwt.NewWithClaims(method, claims)
		token.Header["kid"] = kid
		change(claims, token.Header)
		text, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	as := func(method jwt.SigningMethod, with any) string {
		return forge(method, with, func(jwt.MapClaims, map[string]any) {})
	}
	changed := func(change func(c jwt.MapClaims, h map[string]any)) string {
		return forge(jwt.SigningMethodEdDSA, key, change)
	}
	expired, _ := signer.Sign(alice, -time.Minute)
	stranger, _ := other.Sign(alice, time.Minute)
	parts := strings.Split(good, ".")

	for name, token := range map[string]string{
		"empty":                     "",
		"nonsense":                  "a.b.c",
		"alg none":                  as(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the public key": as(jwt.SigningMethodHS256, []byte(x)),
		"expired":                   expired,
		"another's key":             stranger,
		"unknown kid":               changed(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "no such key" }),
		"another issuer":            changed(func(c jwt.MapClaims, _ map[string]any) { c["iss"] = "elsewhere" }),
		"another audience":          changed(func(c jwt.MapClaims, _ map[string]any) { c["aud"] = "elsewhere" }),
		"no expiry":                 changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "exp") }),
		"not yet":                   changed(func(c jwt.MapClaims, _ map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() }),
		"no subject":                changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "sub") }),
		"nobody as subject":         changed(func(c jwt.MapClaims, _ map[string]any) { c["sub"] = "00000000-0000-0000-0000-000000000000" }),
		"tampered":                  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"role":"admin"}`)) + "." + parts[2],
		"signature cut":             parts[0] + "." + parts[1] + ".",
	} {
		if who, err := v.Verify(t.Context(), token); fault.Of(err) == nil || fault.Of(err).Kind != fault.Unauthenticated {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestKeysAreKeptWhileUsersIsAway(t *testing.T) {
	signer, _ := newSigner(t)
	token, _ := signer.Sign(kittest.Somebody(shop.User), time.Minute)
	failure := errors.New("away")
	away := failure
	asked := 0
	v := auth.NewVerifier(func(context.Context) (auth.JWKS, error) {
		asked++
		return signer.JWKS(), failure
	})
	if _, err := v.Verify(t.Context(), token); fault.Of(err).Kind != fault.Unavailable {
		t.Errorf("without keys nobody can say that a token is bad: %v", err)
	}
	failure = nil
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
	failure = away
	for range 100 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// While users is away, whoever makes up key ids costs one question at a time, and nobody with a real token waits for it.
func TestMadeUpKeysHoldNobodyUp(t *testing.T) {
	signer, _ := newSigner(t)
	stranger, _ := newSigner(t)
	token, _ := signer.Sign(kittest.Somebody(shop.User), time.Minute)
	forged, _ := stranger.Sign(kittest.Somebody(shop.User), time.Minute)
	var hangs atomic.Bool
	var asked atomic.Int32
	release := make(chan struct{})
	v := auth.NewVerifier(func(ctx context.Context) (auth.JWKS, error) {
		asked.Add(1)
		if !hangs.Load() {
			return signer.JWKS(), nil
		}
		select {
		case <-ctx.Done():
		case <-release:
		}
		return auth.JWKS{}, errors.New("away")
	})
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	hangs.Store(true)
	auth.Forget(v) // as if the keys had been asked for long ago
	var forgers sync.WaitGroup
	for range 20 {
		forgers.Go(func() {
			if _, err := v.Verify(t.Context(), forged); !errors.Is(err, auth.ErrToken) {
				t.Errorf("a forged token: %v", err)
			}
		})
	}
	kittest.Eventually(t, 2*time.Second, func() error {
		if asked.Load() != 2 {
			return fmt.Errorf("asked %d times", asked.Load())
		}
		return nil
	})
	another, _ := signer.Sign(kittest.Somebody(shop.Admin), time.Minute)
	if _, err := v.Verify(t.Context(), another); err != nil {
		t.Errorf("a real token while keys are asked for: %v", err)
	}
	close(release)
	forgers.Wait()
	if _, err := v.Verify(t.Context(), forged); !errors.Is(err, auth.ErrToken) || asked.Load() != 2 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

func TestATokenThatWasGoodStillExpires(t *testing.T) {
	signer, _ := newSigner(t)
	v := auth.NewVerifier(signer.Fetch)
	token, err := signer.Sign(kittest.Somebody(shop.User), -4*time.Second) // within the leeway for clocks, for another second
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrExpired) {
			return errors.New("it is still good")
		}
		return nil
	})
}

func BenchmarkVerify(b *testing.B) {
	token, err := kittest.Signer.Sign(kittest.Somebody(shop.User), time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := kittest.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWeakSecretsAreRefused(t *testing.T) {
	for _, secret := range []string{"", "secret", "your-secret-key-change-in-production", base64.StdEncoding.EncodeToString([]byte("short"))} {
		if _, err := auth.NewSigner(secret); err == nil {
			t.Errorf("%q was accepted", secret)
		}
	}
}
