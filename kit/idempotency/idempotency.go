// Package idempotency makes a call that creates something harmless to repeat: whoever sends the same Idempotency-Key with
// the same request again gets the first answer again, and nothing is made a second time.
//
// A route takes part in two steps. Its input embeds Key:
//
//	type New struct {
//		idempotency.Key
//		Name string `json:"name" validate:"required"`
//	}
//
// and its method opens its transaction with Do, which takes the place of event.Outbox.Tx:
//
//	func (s *Service) Create(ctx context.Context, in New) (Category, error) {
//		return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Category, error) {
//			return insert(ctx, tx, in)
//		})
//	}
//
// kit/web reads the header, checks it and documents it. A service opens its database with Migrations and schedules
// Prune. A method that asks somebody remote before its transaction begins with Before.
//
// What holds:
//
//   - The answer is kept in the transaction that creates: both are there, or neither. A call that fails keeps nothing.
//   - Of calls at the same time, also at different replicas, one does the work; the others wait for it and answer the same,
//     or do the work themselves if it failed.
//   - Same request means same path, query and body; members of JSON may come in another order, and the boundary of a form
//     with files may differ. The same key with another request fails with ErrReused.
//   - A key belongs to one user on one route for 24 hours. On a route for anyone it belongs to everybody there, so that a
//     caller who picks a key that others pick may be refused, and learns nothing but what they sent themselves. Neither
//     the key nor the request is kept readable.
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

// Migrations are the table of keys. A service with routes that create opens its database with them.
var Migrations = postgres.Migrations{Name: "idempotency", Files: postgres.Sub(files)}

// Header is the name of the header field.
const Header = "Idempotency-Key"

// MaxLength is how long a key may be, in bytes.
const MaxLength = 255

// ErrReused tells that the key was used for another request.
var ErrReused = fault.New(fault.Invalid, "idempotency_key_reused", "this Idempotency-Key was used for another request").
	With(Header, "was used for another request")

// Key is what a call is known by. Embed it in the input of a route that creates; kit/web fills it. The zero Key is that of a
// call that sent none, and makes Do and Before do only what their callers would do without them.
type Key struct {
	owner        uuid.UUID
	route        string
	key, request []byte
}

// New is the key of a call: the header's value, of whom, on which route, and the parts that make up the request. A
// given that is empty gives the zero Key.
func New(given string, owner shop.UserID, route string, request ...[]byte) Key {
	if given == "" {
		return Key{}
	}
	name := sha256.Sum256([]byte(given))
	digest := hmac.New(sha256.New, []byte(given))
	for _, part := range request {
		_, _ = fmt.Fprintf(digest, "%d ", len(part)) // a hash takes everything
		digest.Write(part)
	}
	return Key{owner: owner.UUID, route: route, key: name[:], request: digest.Sum(nil)}
}

// IsSet says whether the call came with a key.
func (k Key) IsSet() bool { return k.key != nil }

// Transactions is the database that Do works in: an event.Outbox, whose transactions can emit events. (Package event
// serves its routes by kit/web, which reads keys, and so cannot be imported here.)
type Transactions[TX pgx.Tx] interface {
	Tx(ctx context.Context, fn func(tx TX) error) error
}

// Do runs fn in a transaction and keeps what it returns as the answer to key, or returns the answer that is kept already. It
// fails as fn does, and with ErrReused. What it returns is what the route must answer: T is JSON that can be read back.
func Do[T any, TX pgx.Tx](ctx context.Context, db Transactions[TX], key Key, fn func(tx TX) (T, error)) (out T, err error) {
	err = db.Tx(ctx, func(tx TX) error {
		if !key.IsSet() {
			out, err = fn(tx)
			return err
		}
		mine, err := take(ctx, tx, key)
		if err != nil {
			return err
		}
		if !mine {
			kept, err := find(ctx, tx, key)
			if err != nil {
				return err
			}
			return kept.into(key, &out)
		}
		if out, err = fn(tx); err != nil {
			return err
		}
		answer, err := encode(out)
		if err != nil {
			return err
		}
		return keep(ctx, tx, key, answer)
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// PurgeUser drops what is kept of a user's calls, because an answer may have something personal in it.
func PurgeUser(ctx context.Context, tx pgx.Tx, user shop.UserID) error { return forget(ctx, tx, user) }

// Begin is for a method that asks somebody remote before its transaction. earlier is the answer to key, if there is one:
// then there is nothing left to do. Else id is what the method gives to what it makes. Calls that repeat one another within
// a minute get the same id, so that the remote side knows them as one; Do then decides whose work counts. It fails with
// ErrReused.
//
//	id, earlier, err := idempotency.Before[Order](ctx, s.db, in.Key)
//	if err != nil || earlier != nil {
//		return earlier, err
//	}
func Begin[T any](ctx context.Context, db *pgxpool.Pool, key Key) (id uuid.UUID, earlier *T, err error) {
	if !key.IsSet() {
		return shop.NewID(), nil, nil
	}
	var kept record
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if err := claim(ctx, tx, key, shop.NewID()); err != nil {
			return err
		}
		kept, err = find(ctx, tx, key)
		return err
	})
	if err != nil || kept.Answer == nil {
		return kept.ID, nil, err
	}
	earlier = new(T)
	if err := kept.into(key, earlier); err != nil {
		return uuid.Nil, nil, err
	}
	return kept.ID, earlier, nil
}

// Abandon makes a key forget the id that Before gave for it, where nothing came of it: who repeats the call gets another. It waits
// for whoever is keeping an answer to key at this moment.
func Abandon(ctx context.Context, db *pgxpool.Pool, key Key, id uuid.UUID) error {
	if !key.IsSet() {
		return nil
	}
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return abandon(ctx, tx, key, id) })
}

// Prune removes keys, and the answers that are kept with them, once their 24 hours are over. A service has the
// scheduler call it every few minutes.
func Prune(ctx context.Context, db *pgxpool.Pool) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { return prune(ctx, tx) })
}

// record is what is kept of a call. Answer is nil while it is not done.
type record struct {
	ID      uuid.UUID
	Request []byte
	Answer  json.RawMessage
}

func (r record) into(key Key, out any) error {
	if !hmac.Equal(r.Request, key.request) {
		return ErrReused
	}
	return json.Unmarshal(r.Answer, out)
}

// encode fails for an answer that could not be given again as it was: a bug of its type, which the first call with a key
// shows.
func encode[T any](out T) (json.RawMessage, error) {
	text, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var again T
	if err := json.Unmarshal(text, &again); err != nil {
		return nil, fmt.Errorf("idempotency: %T cannot be read back: %w", out, err)
	}
	if second, err := json.Marshal(again); err != nil || !bytes.Equal(second, text) {
		return nil, fmt.Errorf("idempotency: %T is not the same when it is read back: %w", out, err)
	}
	return text, nil
}
