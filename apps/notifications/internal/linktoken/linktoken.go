// Package seal makes the tokens of links in messages: an id and a text that a link is about, which only this service
// can have put together.
package linktoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/google/uuid"
)

// length is in bytes: enough that nobody guesses one.
const length = 16

// Signer makes and reads tokens for one purpose; those of another are none to it.
type Signer struct{ key, purpose string }

// New seals with a key.
func New(key, purpose string) Signer { return Signer{key, purpose} }

// Sign is about an id and a text.
func (s Signer) Sign(id uuid.UUID, text string) string {
	about := append(id[:], text...)
	return base64.RawURLEncoding.EncodeToString(append(s.mac(about), about...))
}

// Verify is what a token is about; ok is false for what is no token of this seal.
func (s Signer) Verify(token string) (id uuid.UUID, text string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < length+len(id) || !hmac.Equal(raw[:length], s.mac(raw[length:])) {
		return id, "", false
	}
	copy(id[:], raw[length:])
	return id, string(raw[length+len(id):]), true
}

func (s Signer) mac(about []byte) []byte {
	mac := hmac.New(sha256.New, []byte(s.key))
	mac.Write([]byte(s.purpose + "\x00"))
	mac.Write(about)
	return mac.Sum(nil)[:length]
}
