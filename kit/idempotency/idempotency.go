// Package idempotency makes creating requests safe to repeat: a request with the same Idempotency-Key and the same
// content gets the first response again, and nothing is created a second time.
//
// A route needs two things. Its input embeds Key:
//
//	type NewCategory struct {
//		idempotency.Key
//		Name string `json:"name" validate:"required"`
//	}
//
// and its method opens its transaction with Do, which takes the place of event.Outbox.Tx:
//
//	func (s *Service) Create(ctx context.Context, in NewCategory) (Category, error) {
//		return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Category, error) {
//			return insert(ctx, tx, in)
//		})
//	}
//
// kit/web reads, checks and documents the header. A service opens its database with Migrations and schedules Prune. A
// method that makes a remote call before its transaction starts with Begin.
//
// Guarantees:
//
//   - The response is stored in the transaction that creates. A request that fails stores nothing.
//   - Of concurrent requests, also at different replicas, one does the work. The others wait for it and get the same
//     response, or do the work themselves if it failed.
//   - The same request means the same path, query and body; members of JSON may be in another order, and the boundary
//     of a multipart form may differ. The same key with another request fails with ErrReused.
//   - A key belongs to one user on one route for 24 hours. On a public route all callers share the keys: a caller with
//     a key that another one used is refused, without information about the other request. Keys and requests are stored
//     as hashes.
package idempotency

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/fault"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the table of keys. A service with idempotent routes opens its database with them.
var Migrations = postgres.Migrations{Name: "idempotency", Files: postgres.Sub(files)}

// Header is the name of the header field.
const Header = "Idempotency-Key"

// MaxLength is the maximum length of a key in bytes.
const MaxLength = 255

// ErrReused is the fault of a key that was used for another request.
var ErrReused = fault.New(fault.Invalid, "idempotency_key_reused", "this Idempotency-Key was used for another request").
	With(Header, "was used for another request")

// Key identifies a request. Embed it in the input of a route that creates; kit/web fills it. The zero Key is that of a
// request without the header: then Do only opens the transaction, and Begin only makes an id.
type Key struct {
	owner        uuid.UUID
	route        string
	key, request []byte
}

// New makes the key of a request from the header's value, the user, the route and the parts of the request. An empty
// header gives the zero Key.
func New(header string, owner shop.UserID, route string, request ...[]byte) Key {
	if header == "" {
		return Key{}
	}
	name := sha256.Sum256([]byte(header))
	digest := hmac.New(sha256.New, []byte(header))
	for _, part := range request {
		_, _ = fmt.Fprintf(digest, "%d ", len(part)) // writing to a hash never fails
		digest.Write(part)
	}
	return Key{owner: owner.UUID, route: route, key: name[:], request: digest.Sum(nil)}
}

// IsSet reports whether the request has a key.
func (k Key) IsSet() bool { return k.key != nil }

// Transactions is the database of Do: an event.Outbox, whose transactions can emit events. (Package event imports
// kit/web, which imports this package, and so cannot be imported here.)
type Transactions[TX pgx.Tx] interface {
	Tx(ctx context.Context, fn func(tx TX) error) error
}

// Do runs fn in a transaction and stores its result as the response to key, or returns the stored response. It fails
// with fn's error, and with ErrReused. T must survive a round trip through JSON.
func Do[T any, TX pgx.Tx](ctx context.Context, db Transactions[TX], key Key, fn func(tx TX) (T, error)) (out T, err error) {
	err = db.Tx(ctx, func(tx TX) error {
		if !key.IsSet() {
			out, err = fn(tx)
			return err
		}
		acquired, err := acquire(ctx, tx, key)
		if err != nil {
			return err
		}
		if !acquired {
			stored, err := find(ctx, tx, key)
			if err != nil {
				return err
			}
			return stored.into(key, &out)
		}
		if out, err = fn(tx); err != nil {
			return err
		}
		response, err := encode(out)
		if err != nil {
			return err
		}
		return saveResponse(ctx, tx, key, response)
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// PurgeUser deletes a user's keys and stored responses, which may contain personal data.
func PurgeUser(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	return purgeUser(ctx, tx, user)
}

// Begin is for a method that makes a remote call before its transaction. earlier is the stored response to key, if
// there is one. Otherwise id is the id of what the method creates. Repeated requests within a minute get the same id,
// so that the remote service sees them as one; Do then decides which one wins. It fails with ErrReused.
//
//	id, earlier, err := idempotency.Begin[Order](ctx, s.db, in.Key)
//	if err != nil || earlier != nil {
//		return earlier, err
//	}
func Begin[T any](ctx context.Context, db *pgxpool.Pool, key Key) (id uuid.UUID, earlier *T, err error) {
	if !key.IsSet() {
		return shop.NewID(), nil, nil
	}
	var stored record
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if err := claim(ctx, tx, key, shop.NewID()); err != nil {
			return err
		}
		stored, err = find(ctx, tx, key)
		return err
	})
	if err != nil || stored.Response == nil {
		return stored.ID, nil, err
	}
	earlier = new(T)
	if err := stored.into(key, earlier); err != nil {
		return uuid.Nil, nil, err
	}
	return stored.ID, earlier, nil
}

// Abandon deletes a key whose request failed after Begin, so that a repeated request gets another id. It waits for a
// concurrent transaction that stores a response to key.
func Abandon(ctx context.Context, db *pgxpool.Pool, key Key, id uuid.UUID) error {
	if !key.IsSet() {
		return nil
	}
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return abandon(ctx, tx, key, id) })
}

// Prune deletes keys and stored responses after 24 hours. A service runs it as a job every few minutes.
func Prune(ctx context.Context, db *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return prune(ctx, tx) })
}

// record is the stored state of a key. Response is nil until the request is done.
type record struct {
	ID       uuid.UUID
	Request  []byte
	Response json.RawMessage
}

func (r record) into(key Key, out any) error {
	if !hmac.Equal(r.Request, key.request) {
		return ErrReused
	}
	return json.Unmarshal(r.Response, out)
}

// encode fails for a result that does not survive a round trip through JSON, which is a bug of its type.
func encode[T any](out T) (json.RawMessage, error) {
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var again T
	if err := json.Unmarshal(text, &again); err != nil {
		return nil, fmt.Errorf("idempotency: %T cannot be decoded: %w", out, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(second, text) {
		return nil, fmt.Errorf("idempotency: %T changes in a round trip through JSON: %w", out, err)
	}
	return text, nil
}
