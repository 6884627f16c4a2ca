// Package session is being signed in: a pair of tokens on one device, renewed until it ends, and the keys that sign them.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
)

// Credentials is who somebody says they are. Username may be the e-mail address.
type Credentials struct {
	Username string `json:"username" validate:"required,max=254" example:"ada"`
	Password string `json:"password" validate:"required,max=1000" example:"correct horse battery"`
}

// TokenPair is what a signed-in client holds. ExpiresIn is the life of the access token in seconds.
type TokenPair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

// Session is being signed in on one device.
type Session struct {
	ID       uuid.UUID `json:"id"`
	Device   string    `json:"device"` // the user agent, as it says itself
	Address  string    `json:"address"`
	BegunAt  time.Time `json:"begun_at"`
	LastSeen time.Time `json:"last_seen_at"`   // when tokens were last given out
	Current  bool      `json:"current" db:"-"` // whether it is the session of whoever asks
}

// Lifetimes are how long tokens live. A refresh token's life begins anew with each refresh.
type Lifetimes struct{ Access, Refresh time.Duration }

// revocationTTL is how long after its end a session must be refused: as long as an access token of it may live, with time to
// spare for clocks that are apart and for a request that was under way.
func (l Lifetimes) revocationTTL() time.Duration { return l.Access + time.Minute }

// Device is where somebody signed in from.
type Device struct {
	UserAgent string `header:"User-Agent" validate:"max=1000"`
	Address   string `header:"X-Forwarded-For" validate:"max=200"`
}

// What can go wrong with sessions.
var (
	// ErrInvalidRefreshToken is the one answer to a refresh token that is unknown, expired, or of a session that has ended.
	ErrInvalidRefreshToken = fault.New(fault.Unauthenticated, "refresh_invalid", "sign in again: this session has ended")
	ErrNotFound            = fault.New(fault.NotFound, "session_not_found", "there is no such session")
)

// reuseGrace is how long a refresh token that was just used answers once more, with the same successor: two tabs or a
// double click are not theft. Later than that it is, and ends the session.
const reuseGrace = 10 * time.Second

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

// fingerprint is what is kept of a device to know it again: its user agent and the network it is in, so that the next
// address of the same household or company is no news.
func (d Device) fingerprint() []byte { return fingerprint(network(d.Address) + "\n" + d.UserAgent) }

// network is the /24 of an IPv4 address and the /48 of an IPv6 one, or the text itself.
func network(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	bits := 48
	if addr = addr.Unmap(); addr.Is4() {
		bits = 24
	}
	prefix, _ := addr.WithZone("").Prefix(bits) // never fails for these
	return prefix.String()
}
