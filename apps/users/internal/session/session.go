// Package session is being signed in: a pair of tokens on one device, renewed until it ends.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"sidecart/kit/fault"
)

// Login is who somebody says they are. Username may be the e-mail address.
type Login struct {
	Username string `json:"username" validate:"required,max=254"`
	Password string `json:"password" validate:"required,max=1000"`
}

// Pair is what a signed-in client holds. ExpiresIn is the life of the access token in seconds.
type Pair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

// Lifetimes are how long tokens live. A refresh token's life begins anew with each refresh.
type Lifetimes struct{ Access, Refresh time.Duration }

// Device is where somebody signed in from.
type Device struct {
	UserAgent string `header:"User-Agent" validate:"max=1000"`
	Address   string `header:"X-Forwarded-For" validate:"max=200"`
}

// ErrRefresh is the one answer to a refresh token that is unknown, expired, or of a session that has ended.
var ErrRefresh = fault.New(fault.Unauthenticated, "refresh_invalid", "sign in again: this session has ended")

// doubleSubmit is how long a refresh token that was just used answers once more, with the same successor: two tabs or a
// double click are not theft. Later than that it is, and ends the session.
const doubleSubmit = 10 * time.Second

// newRefreshToken is 256 random bits.
func newRefreshToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// successor is the token that follows another. It is computed from it, so that the same token refreshed twice at once
// gives both callers the same new one, and only the server can compute it.
func successor(key []byte, token string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// fingerprint is what is kept of a token.
func fingerprint(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
