// Package linktoken signs and verifies the tokens of links in messages: an id and a text, with an HMAC.
package linktoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/uuid"
)

const macLength = 16 // bytes

// Signer signs and verifies tokens for one purpose; it refuses those of another.
type Signer struct{ key, purpose string }

// New signs with a key.
func New(key, purpose string) Signer { return Signer{key, purpose} }

// Sign makes the token of an id and a text.
func (s Signer) Sign(id uuid.UUID, text string) string {
	payload := append(id[:], text...)
	return base64.RawURLEncoding.EncodeToString(append(s.mac(payload), payload...))
}

// Verify returns the id and the text of a token; ok is false for a token that was not signed with this key and purpose.
func (s Signer) Verify(token string) (id uuid.UUID, text string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < macLength+len(id) || !hmac.Equal(raw[:macLength], s.mac(raw[macLength:])) {
		return id, "", false
	}
	copy(id[:], raw[macLength:])
	return id, string(raw[macLength+len(id):]), true
}

func (s Signer) mac(payload []byte) []byte {
	mac := hmac.New(sha256.New, []byte(s.key))
	mac.Write([]byte(s.purpose + "\x00"))
	mac.Write(payload)
	return mac.Sum(nil)[:macLength]
}
