// Package session signs users in: a session is one signed-in device, with an access token and a refresh token. It also
// stores the keys that sign access tokens.
package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"sidecart/apps/users/internal/audit"
	"sidecart/kit/fault"
)

// Credentials sign a user in. Username may be the e-mail address.
type Credentials struct {
	Username string `json:"username" validate:"required,max=254" example:"ada"`
	Password string `json:"password" validate:"required,max=1000" example:"correct horse battery"`
}

// TokenPair is what a signed-in client holds. ExpiresIn is the lifetime of the access token in seconds.
type TokenPair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
}

// Session is one signed-in device.
type Session struct {
	ID       uuid.UUID `json:"id"`
	Device   string    `json:"device"` // the User-Agent header
	Address  string    `json:"address"`
	BegunAt  time.Time `json:"begun_at"`
	LastSeen time.Time `json:"last_seen_at"`   // when tokens were last issued
	Current  bool      `json:"current" db:"-"` // whether it is the caller's session
}

// Lifetimes are those of tokens. Each refresh issues a refresh token with the full lifetime.
type Lifetimes struct{ Access, Refresh time.Duration }

// revocationTTL is how long the tokens of an ended session must be refused: the lifetime of an access token, and a
// margin for clocks that differ and requests in flight.
func (l Lifetimes) revocationTTL() time.Duration { return l.Access + time.Minute }

// The errors of sessions. ErrInvalidRefreshToken does not reveal whether a token is unknown, expired or of an ended
// session.
var (
	ErrInvalidRefreshToken = fault.New(fault.Unauthenticated, "refresh_invalid", "sign in again: this session has ended")
	ErrNotFound            = fault.New(fault.NotFound, "session_not_found", "there is no such session")
)

// reuseGrace is how long after its use a refresh token may be used again: a double submit or a retry is no theft. It
// returns the session's unused token, which is its successor or, if that was used meanwhile, a later one. A later reuse
// ends the session.
const reuseGrace = 10 * time.Second

// maxGraceRefreshes is more than the refreshes of a session within reuseGrace: the gateway allows 60 a minute.
const maxGraceRefreshes = 100

// newRefreshToken returns 256 random bits.
func newRefreshToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// successor returns the next refresh token. It is computed from the current one, so that concurrent refreshes return
// the same token, and with a key, so that only the server can compute it.
func successor(key []byte, token string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(token))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// fingerprint is what is stored of a refresh token or a device.
func fingerprint(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// deviceFingerprint identifies a device by its user agent and network. Another address of the same household or company
// is the same device.
func deviceFingerprint(from audit.Origin) []byte {
	return fingerprint(network(from.Address) + "\n" + from.UserAgent)
}

// network returns the /24 of an IPv4 address, the /48 of an IPv6 address, or the text itself.
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
