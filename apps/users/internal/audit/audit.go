// Package audit is the append-only log of who did what to which account, when and from where.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

// Action is what was done, in the stable form object.verb.
type Action string

// The actions.
const (
	Registered      Action = "account.registered"
	EmailVerified   Action = "account.email_verified"
	ProfileChanged  Action = "account.profile_changed"
	RoleChanged     Action = "account.role_changed"
	Closed          Action = "account.closed"
	Opened          Action = "account.opened"
	Locked          Action = "account.locked"
	Unlocked        Action = "account.unlocked"
	Exported        Action = "account.exported"
	Erased          Action = "account.erased"
	ViewedByAdmin   Action = "account.seen_by_admin"
	PasswordChanged Action = "password.changed"
	ResetRequested  Action = "password.forgotten"
	PasswordReset   Action = "password.reset"
	SignedIn        Action = "session.signed_in"
	SignInFailed    Action = "session.sign_in_failed"
	SignedOut       Action = "session.signed_out"
	SessionEnded    Action = "session.ended"
	TokenReused     Action = "session.token_reused"
)

// Origin is where a request came from. Handlers embed it in their inputs. The gateway sets the address; the
// X-Forwarded-For header of a client does not reach a service.
type Origin struct {
	Address   string `header:"X-Forwarded-For" validate:"max=200"`
	UserAgent string `header:"User-Agent" validate:"max=1000"`
}

// Entry is an action to record. Details never contain a password, a token, or the name of an unknown user.
type Entry struct {
	Action  Action
	Actor   shop.UserID // zero without a signed-in user
	User    shop.UserID // the account that it is about; zero if there is none
	From    Origin
	Details map[string]string
}

// AuditEntry is a recorded entry of the chain. Hash is computed from all other fields. Previous is the hash of the
// entry before. Both are hexadecimal.
type AuditEntry struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Action    Action          `json:"action"`
	ActorID   *uuid.UUID      `json:"actor_id"`
	UserID    *uuid.UUID      `json:"user_id"`
	Address   string          `json:"address"`
	UserAgent string          `json:"user_agent"`
	Details   json.RawMessage `json:"details"`
	Previous  string          `json:"previous"`
	Hash      string          `json:"hash"`
}

// genesis is the previous hash of the first entry.
func genesis() string {
	sum := sha256.Sum256([]byte("sidecart audit"))
	return hex.EncodeToString(sum[:])
}

// computeHash returns the expected hash of an entry. The database computes the same (migrations/0001_audit.sql). Each
// part has its length in front, so that no two entries have the same joined parts.
func (e AuditEntry) computeHash() string {
	h := sha256.New()
	previous, _ := hex.DecodeString(e.Previous) // always valid
	h.Write(previous)
	part := func(s string) { h.Write([]byte(strconv.Itoa(len(s)) + ":" + s + ",")) }
	id := func(id *uuid.UUID) {
		if id == nil {
			h.Write([]byte("-,"))
			return
		}
		part(id.String())
	}
	part(strconv.FormatInt(e.Seq, 10))
	part(strconv.FormatInt(e.At.UnixMicro(), 10))
	part(string(e.Action))
	id(e.ActorID)
	id(e.UserID)
	part(e.Address)
	part(e.UserAgent)
	part(string(e.Details))
	return hex.EncodeToString(h.Sum(nil))
}
