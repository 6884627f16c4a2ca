// Package mailtoken issues tokens that are sent by e-mail and used once. A used token proves the ownership of an
// address.
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

// Purpose is what a token can be used for.
type Purpose string

// The purposes.
const (
	VerifyEmail   Purpose = "verify_email"
	ResetPassword Purpose = "reset_password"
)

// Request identifies an issued token. Events carry the id instead of the token. The notifications service reads the
// token when it sends the e-mail.
type Request struct {
	ID        uuid.UUID
	ExpiresAt time.Time
}

// Token is a token to send.
type Token struct {
	Token     string    `json:"token"`
	Purpose   Purpose   `json:"purpose"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Proof is what a used token proves: the account owns the address.
type Proof struct {
	AccountID shop.UserID
	Email     string
}

// The errors of tokens. ErrInvalidToken does not reveal whether a token is unknown, used, superseded or expired.
var (
	ErrInvalidToken = fault.New(fault.Invalid, "mail_token_invalid", "this link is no longer valid: request a new one").
			With("token", "is not valid")
	ErrRequestNotFound = fault.New(fault.NotFound, "mail_request_not_found", "there is no such request")
	ErrRequestClosed   = fault.New(fault.Conflict, "mail_request_closed", "this token is used, superseded or expired")
)

// compute returns the token of a request. It is not stored, and the same each time.
func compute(key []byte, request uuid.UUID) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(request[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// fingerprint is what is stored of a token.
func fingerprint(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
