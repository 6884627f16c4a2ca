package auth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sidecart/kit/auth"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func newSigner(t testing.TB) (*auth.Signer, ed25519.PrivateKey) {
	t.Helper()
	s, err := auth.NewSigner(base64.StdEncoding.EncodeToString(random(32)))
	if err != nil {
		t.Fatal(err)
	}
	return s, auth.SigningKey(s)
}

func TestVerify(t *testing.T) {
	signer, key := newSigner(t)
	other, _ := newSigner(t)
	v := auth.NewVerifier(signer.Feed)
	alice := kittest.NewCaller(shop.User)
	valid, err := signer.Sign(alice, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(t.Context(), valid); err != nil || got != alice {
		t.Fatalf("%+v, %v", got, err)
	}
	kid := signer.JWKS().Keys[0].ID
	x := signer.JWKS().Keys[0].X
	forge := func(method jwt.SigningMethod, with any, change func(jwt.MapClaims, map[string]any)) string {
		claims := jwt.MapClaims{
			"iss": auth.Issuer, "aud": auth.Audience, "sub": alice.ID.String(), "role": "admin",
			"sid": alice.SessionID.String(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		}
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
	if got, err := v.Verify(t.Context(), as(jwt.SigningMethodEdDSA, key)); err != nil || got.Role != shop.Admin {
		t.Fatalf("the token that the forgeries start from is invalid: %+v, %v", got, err)
	}
	expired, _ := signer.Sign(alice, -time.Minute)
	foreign, _ := other.Sign(alice, time.Minute)
	parts := strings.Split(valid, ".")

	for name, token := range map[string]string{
		"empty":                     "",
		"nonsense":                  "a.b.c",
		"alg none":                  as(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the public key": as(jwt.SigningMethodHS256, []byte(x)),
		"expired":                   expired,
		"foreign key":               foreign,
		"unknown kid":               changed(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "no such key" }),
		"another issuer":            changed(func(c jwt.MapClaims, _ map[string]any) { c["iss"] = "elsewhere" }),
		"another audience":          changed(func(c jwt.MapClaims, _ map[string]any) { c["aud"] = "elsewhere" }),
		"no expiry":                 changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "exp") }),
		"not yet":                   changed(func(c jwt.MapClaims, _ map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() }),
		"no subject":                changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "sub") }),
		"nil user":                  changed(func(c jwt.MapClaims, _ map[string]any) { c["sub"] = "00000000-0000-0000-0000-000000000000" }),
		"no session":                changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "sid") }),
		"issued in the future":      changed(func(c jwt.MapClaims, _ map[string]any) { c["iat"] = time.Now().Add(time.Hour).Unix() }),
		"tampered":                  parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"role":"admin"}`)) + "." + parts[2],
		"signature cut":             parts[0] + "." + parts[1] + ".",
		"changed last letter":       valid[:len(valid)-1] + string(valid[len(valid)-1]+1), // some of its bits are not part of the signature
	} {
		if got, err := v.Verify(t.Context(), token); fault.Of(err) == nil || fault.Of(err).Kind != fault.Unauthenticated {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCachedTokenExpires(t *testing.T) {
	signer, _ := newSigner(t)
	v := auth.NewVerifier(signer.Feed)
	token, err := signer.Sign(kittest.NewCaller(shop.User), -4*time.Second) // valid for one more second, because of the leeway
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	kittest.Eventually(t, 5*time.Second, func() error {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, auth.ErrExpired) {
			return errors.New("it is still accepted")
		}
		return nil
	})
}
