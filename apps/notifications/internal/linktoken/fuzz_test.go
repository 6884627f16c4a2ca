package linktoken

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// FuzzVerify: only what was signed is accepted, and what was signed is read back.
func FuzzVerify(f *testing.F) {
	signer, other := New("a key", "opened"), New("a key", "clicked")
	id := uuid.MustParse("0192f0c1-2d3e-7abc-8def-0123456789ab")
	signed := signer.Sign(id, "https://shop.example/orders?a=b")
	for _, seed := range []string{
		signed, other.Sign(id, "x"), signed + "=", signed[1:], signed + "AA", "", "A", strings.Repeat("A", 42), strings.Repeat("A", 43), "\x00", "é", base64.StdEncoding.EncodeToString([]byte("x")),
	} {
		f.Add(seed, "a text")
	}
	f.Fuzz(func(t *testing.T, token, text string) {
		if _, got, ok := signer.Verify(token); ok && got != "https://shop.example/orders?a=b" {
			t.Errorf("%q is accepted for %q", token, got)
		}
		if gotID, got, ok := signer.Verify(signer.Sign(id, text)); !ok || gotID != id || got != text {
			t.Errorf("%q is read back as %s %q, %v", text, gotID, got, ok)
		}
	})
}
