// Package audit is who did what to whose account, when and from where: a list that can be added to and not changed.
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

// Action is what was done, as it is filtered by: stable, in the form noun.verb.
type Action string

// The actions. What is refused is told apart from what is done.
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

// Origin is where a request came from. Handlers embed it in their inputs. The gateway writes the address itself: what a
// client claims in X-Forwarded-For does not reach a service.
type Origin struct {
	Address   string `header:"X-Forwarded-For" validate:"max=200"`
	UserAgent string `header:"User-Agent" validate:"max=1000"`
}

// Entry is something that was done. Details are short texts for people; never a password, a token or a name that somebody
// typed who is not known.
type Entry struct {
	Action  Action
	Actor   shop.UserID // who did it; zero where nobody was signed in
	User    shop.UserID // whom it is about; zero where there is no such account
	From    Origin
	Details map[string]string
}

// AuditEntry is an entry as it stands in the chain. Hash covers everything else and Previous,
// the hash of the entry before; both are hexadecimal.
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

// genesis is the hash before the first entry.
func genesis() string {
	sum := sha256.Sum256([]byte("sidecart audit"))
	return hex.EncodeToString(sum[:])
}

// computeHash is what the hash of an entry must be. The database computes the same when the entry is added
// (migrations/0001_audit.sql): each part with its length before it, so that no two entries have the same parts joined.
func (k AuditEntry) computeHash() string {
	h := sha256.New()
	previous, _ := hex.DecodeString(k.Previous) // the database writes nothing else
	h.Write(previous)
	part := func(s string) { h.Write([]byte(strconv.Itoa(len(s)) + ":" + s + ",")) }
	id := func(id *uuid.UUID) {
		if id == nil {
			h.Write([]byte("-,"))
			return
		}
		part(id.String())
	}
	part(strconv.FormatInt(k.Seq, 10))
	part(strconv.FormatInt(k.At.UnixMicro(), 10))
	part(string(k.Action))
	id(k.ActorID)
	id(k.UserID)
	part(k.Address)
	part(k.UserAgent)
	part(string(k.Details))
	return hex.EncodeToString(h.Sum(nil))
}
