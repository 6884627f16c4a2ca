// Package mailtoken is secrets that go to a mailbox and come back once, which proves whose it is.
package mailtoken

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Purpose is what a token is good for.
type Purpose string

// The purposes.
const (
	VerifyEmail   Purpose = "verify_email"
	ResetPassword Purpose = "reset_password"
)

// Request is a token that was asked for. The event that tells of it carries the id and not the token; whoever sends the
// mail asks for the token by it.
type Request struct {
	ID        uuid.UUID
	ExpiresAt time.Time
}

// MailToken is what whoever sends the mail is told.
type MailToken struct {
	Token     string    `json:"token"`
	Purpose   Purpose   `json:"purpose"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Proof is what a token that came back shows: somebody reads the mail of this address.
type Proof struct {
	AccountID shop.UserID
	Email     string
}

var (
	// ErrInvalidToken is the one answer to a token that is unknown, used, superseded or expired.
	ErrInvalidToken = fault.New(fault.Invalid, "mail_token_invalid", "this link is not valid any more; ask for a new one").With("token", "is not valid")
	// ErrRequestNotFound refuses to reveal what nobody asked for.
	ErrRequestNotFound = fault.New(fault.NotFound, "mail_request_not_found", "there is no such request")
	// ErrRequestClosed refuses to reveal a token that would not be accepted.
	ErrRequestClosed = fault.New(fault.Conflict, "mail_request_closed", "this token is used, superseded or expired")
)

// token is computed from the request's id, so that it need not be kept anywhere and is the same each time it is sent.
func token(key []byte, request uuid.UUID) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(request[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// fingerprint is what is kept of a token.
func fingerprint(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
