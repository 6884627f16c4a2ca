package security_test

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"sidecart/kit/auth"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/tests/client"
)

// signer signs tokens that the services accept: it has the platform's secret.
func signer(t *testing.T) (*auth.Signer, ed25519.PrivateKey) {
	t.Helper()
	secret, err := running.Secret("JWT_SECRET_KEY")
	must(t, err)
	s, err := auth.NewSigner(secret)
	must(t, err)
	s.Issuer = fmt.Sprintf("http://localhost:%d", running.Port("gateway", "app"))
	raw, err := base64.StdEncoding.DecodeString(secret)
	must(t, err)
	seed, err := hkdf.Key(sha256.New, raw, nil, "sidecart signing key", ed25519.SeedSize)
	must(t, err)
	return s, ed25519.NewKeyFromSeed(seed)
}

// TestForgedTokens tries known forgeries. Each differs from an accepted token in one way.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	own, key := signer(t)
	public := key.Public().(ed25519.PublicKey)
	caller := kittest.NewCaller(shop.Admin)
	forge := func(method jwt.SigningMethod, with any, change func(c jwt.MapClaims, h map[string]any)) string {
		claims := jwt.MapClaims{"iss": own.Issuer, "aud": auth.Audience, "sub": caller.ID.String(), "sid": caller.SessionID.String(), "role": "admin",
			"jti": "x", "iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
		token := jwt.NewWithClaims(method, claims)
		token.Header["kid"] = own.InitialKey().ID
		change(claims, token.Header)
		text, err := token.SignedString(with)
		must(t, err)
		return text
	}
	as := func(method jwt.SigningMethod, with any) string {
		return forge(method, with, func(jwt.MapClaims, map[string]any) {})
	}
	changed := func(change func(c jwt.MapClaims, h map[string]any)) string {
		return forge(jwt.SigningMethodEdDSA, key, change)
	}
	valid := as(jwt.SigningMethodEdDSA, key)
	acceptedEverywhere(t, "the original token", valid)
	_, foreign, err := ed25519.GenerateKey(nil)
	must(t, err)
	parts := strings.Split(valid, ".")
	x := base64.RawURLEncoding.EncodeToString(public)
	for what, token := range map[string]string{
		"alg none":                  as(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the public key": as(jwt.SigningMethodHS256, []byte(public)),
		"HS256 with its encoding":   as(jwt.SigningMethodHS256, []byte(x)),
		"a foreign key":             as(jwt.SigningMethodEdDSA, foreign),
		"a foreign key in the header": forge(jwt.SigningMethodEdDSA, foreign, func(_ jwt.MapClaims, h map[string]any) {
			h["jwk"] = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(foreign.Public().(ed25519.PublicKey))}
		}),
		"a wrong kid":         changed(func(_ jwt.MapClaims, h map[string]any) { h["kid"] = "another" }),
		"no kid":              changed(func(_ jwt.MapClaims, h map[string]any) { delete(h, "kid") }),
		"another issuer":      changed(func(c jwt.MapClaims, _ map[string]any) { c["iss"] = "https://evil.example.com" }),
		"another audience":    changed(func(c jwt.MapClaims, _ map[string]any) { c["aud"] = "another shop" }),
		"expired":             changed(func(c jwt.MapClaims, _ map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"without end":         changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "exp") }),
		"not yet valid":       changed(func(c jwt.MapClaims, _ map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() }),
		"without a session":   changed(func(c jwt.MapClaims, _ map[string]any) { delete(c, "sid") }),
		"tampered":            parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"role":"admin"}`)) + "." + parts[2],
		"without a signature": parts[0] + "." + parts[1] + ".",
		"cut":                 parts[0] + "." + parts[1],
	} {
		refusedEverywhere(t, what, token)
	}
}

// TestKeysRotateUnderLoad rotates the keys while users send requests and refresh tokens: no request is refused, and the
// new key signs in the end. It is not parallel, because the load of other tests could exceed the rate limits.
func TestKeysRotateUnderLoad(t *testing.T) {
	var jwks auth.JWKS
	must(t, anonymous().Call(t.Context(), "GET /.well-known/jwks.json", nil, 200, &jwks))
	before := jwks.Keys[len(jwks.Keys)-1].ID
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	var calls, renewed atomic.Int32
	var users sync.WaitGroup
	for range 4 {
		_, name := newUser(t)
		held, from := signIn(t, name, password), anonymous()
		users.Go(func() {
			for n := 0; ctx.Err() == nil && renewed.Load() < 8; n++ {
				if n%25 == 24 {
					if err := from.Call(ctx, "POST /api/v1/auth/refresh", map[string]string{"refresh_token": held.Refresh}, 200, &held); err != nil && ctx.Err() == nil {
						t.Error(err)
						return
					}
					if !signedBy(held.Access, before) {
						renewed.Add(1)
					}
				}
				to := client.Client{Base: []string{running.URL(), running.Address("gateway-2")}[n%2], Token: held.Access}
				if err := to.Call(ctx, "GET /api/v1/orders", nil, 200, nil); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				calls.Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(30 * time.Millisecond):
				}
			}
		})
	}
	out, err := running.Command(ctx, "rotate-keys").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is published and signs from") {
		t.Errorf("rotate-keys: %v: %s", err, out)
	}
	users.Wait()
	if renewed.Load() < 8 {
		t.Errorf("the new key signed %d tokens, after %d calls", renewed.Load(), calls.Load())
	}
	must(t, anonymous().Call(t.Context(), "GET /.well-known/jwks.json", nil, 200, &jwks))
	if len(jwks.Keys) < 2 {
		t.Errorf("the old key is removed while its tokens are valid: %+v", jwks)
	}
	var configuration struct {
		Issuer string `json:"issuer"`
		JWKS   string `json:"jwks_uri"`
	}
	must(t, anonymous().Call(t.Context(), "GET /.well-known/openid-configuration", nil, 200, &configuration))
	if !strings.HasPrefix(configuration.JWKS, configuration.Issuer+"/.well-known/") || !strings.Contains(configuration.Issuer, fmt.Sprint(running.Port("gateway", "app"))) {
		t.Errorf("%+v", configuration)
	}
	refused(t, "rotation from outside", do(t, admin(t), "POST /api/v1/keys/rotate", nil), "no_such_route", 404)
	refusedBySidecar(t, "rotation by another service", invoke(t, "orders", "users", "POST /keys/rotate"), 403)
}

func signedBy(token, kid string) bool {
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	return err == nil && strings.Contains(string(text), kid)
}
