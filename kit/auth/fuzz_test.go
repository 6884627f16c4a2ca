package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sidecart/kit/auth"
	"sidecart/kit/fault"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// kid is the key id that a token names.
func kid(t testing.TB, token string) string {
	t.Helper()
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		ID string `json:"kid"`
	}
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// FuzzVerify: only the signed token is accepted. Any other text is refused as unauthenticated.
func FuzzVerify(f *testing.F) {
	signer, _ := newSigner(f)
	other, _ := newSigner(f)
	alice := kittest.NewCaller(shop.User)
	v := auth.NewVerifier(signer.Feed)
	valid, err := signer.Sign(alice, 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(valid, ".")
	encode := base64.RawURLEncoding.EncodeToString
	none := encode([]byte(`{"alg":"none","typ":"JWT"}`))
	for _, seed := range []string{
		valid, signed(f, other, alice), "", ".", "..", "...", "a.b.c", "Bearer " + valid, valid + ".", valid + "=", " " + valid,
		parts[0] + "." + parts[1] + ".", parts[0] + ".." + parts[2], none + "." + parts[1] + ".", none + "." + parts[1] + "." + parts[2],
		encode([]byte(`{"alg":"HS256","kid":"`+kid(f, valid)+`"}`)) + "." + parts[1] + "." + parts[2],
		encode([]byte(`{"alg":"EdDSA","kid":["`+kid(f, valid)+`"]}`)) + "." + parts[1] + "." + parts[2],
		encode([]byte(`{"alg":"EdDSA","kid":"../../etc/passwd"}`)) + "." + parts[1] + "." + parts[2],
		encode([]byte(`{"alg":"EdDSA","jwk":{"kty":"OKP"},"jku":"http://example.com/keys","crit":["exp"]}`)) + "." + parts[1] + "." + parts[2],
		parts[0] + "." + encode([]byte(`{"exp":9e999}`)) + "." + parts[2],
		parts[0] + "." + encode([]byte(`{"aud":[[[["x"]]]],"exp":"x","sub":null}`)) + "." + parts[2],
		parts[0] + "." + encode([]byte(strings.Repeat(`{"a":`, 1000))) + "." + parts[2],
		strings.Repeat("a", 10_000), "\x00.\xff.\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := v.Verify(t.Context(), token)
		switch {
		case err == nil && (token != valid || got != alice):
			t.Errorf("a forged token is accepted for %+v: %q", got, token)
		case err != nil && fault.Of(err).Kind != fault.Unauthenticated:
			t.Errorf("%q fails with %v", token, err)
		}
	})
}
