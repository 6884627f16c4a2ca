package contact

import (
	"context"
	"embed"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of this package.
var Migrations = postgres.Migrations{Name: "contact", Files: postgres.Sub(files)}

// Get is the contact of a user, which may be unknown.
func Get(ctx context.Context, db postgres.Querier, user shop.UserID) (Contact, error) {
	var all map[shop.UserID]Contact
	batch := &pgx.Batch{}
	Queue(batch, []uuid.UUID{user.UUID}, &all)
	err := db.SendBatch(ctx, batch).Close()
	return all[user], err
}

// Queue queues Get for several users in a batch.
func Queue(batch *pgx.Batch, users []uuid.UUID, into *map[shop.UserID]Contact) {
	all := make(map[shop.UserID]Contact, len(users))
	for _, user := range users {
		all[shop.UserID{UUID: user}] = Contact{UserID: shop.UserID{UUID: user}}
	}
	*into = all
	postgres.Queue(batch, pgx.RowToStructByName[Contact], func(c Contact) { all[c.UserID] = c }, `
		select user_id, email, username, full_name, role, verified_email as verified, erased
		from contacts where user_id = any($1)`, users)
}

// After lists the users after last with a role ("": any), ordered by id.
func After(
	ctx context.Context, db postgres.Reader, role shop.Role, last shop.UserID, limit int,
) ([]shop.UserID, error) {
	return postgres.All(ctx, db, pgx.RowTo[shop.UserID], `
		select user_id from contacts where not erased and user_id > $1 and ($2 = '' or role = $2)
		order by user_id limit $3`, last, string(role), limit)
}

// Count counts the users with a role ("": any).
func Count(ctx context.Context, db postgres.Reader, role shop.Role) (int, error) {
	return postgres.One(ctx, db, pgx.ErrNoRows, pgx.RowTo[int], `
		select count(*) from contacts where not erased and ($1 = '' or role = $1)`, string(role))
}

// Register stores a registration, unless the profile is known already.
func Register(ctx context.Context, tx pgx.Tx, c Contact) error {
	_, err := tx.Exec(ctx, `
		insert into contacts (user_id, email, username, full_name) values ($1, $2, $3, $4)
		on conflict (user_id) do update set email = excluded.email, username = excluded.username, full_name = excluded.full_name
		where contacts.username = '' and not contacts.erased`, c.UserID, c.Email, c.Username, c.FullName)
	return err
}

// Update stores the profile of an event, unless that of a later event (by its id) is stored.
func Update(ctx context.Context, tx pgx.Tx, event uuid.UUID, c Contact) error {
	_, err := tx.Exec(ctx, `
		insert into contacts (user_id, email, username, full_name, profile_event) values ($1, $2, $3, $4, $5)
		on conflict (user_id) do update
		set email = excluded.email, username = excluded.username, full_name = excluded.full_name,
			profile_event = excluded.profile_event
		where not contacts.erased and (contacts.profile_event is null or contacts.profile_event < excluded.profile_event)`,
		c.UserID, c.Email, c.Username, c.FullName, event)
	return err
}

// Verify stores the verified address of an event, unless that of a later event (by its id) is stored.
func Verify(ctx context.Context, tx pgx.Tx, event uuid.UUID, user shop.UserID, email string) error {
	_, err := tx.Exec(ctx, `
		insert into contacts (user_id, verified_email, verified_event) values ($1, $2, $3)
		on conflict (user_id) do update set verified_email = excluded.verified_email, verified_event = excluded.verified_event
		where not contacts.erased and (contacts.verified_event is null or contacts.verified_event < excluded.verified_event)`,
		user, email, event)
	return err
}

// UpdateRole stores the role of an event, unless that of a later event (by its id) is stored.
func UpdateRole(ctx context.Context, tx pgx.Tx, event uuid.UUID, user shop.UserID, role shop.Role) error {
	_, err := tx.Exec(ctx, `
		insert into contacts (user_id, role, role_event) values ($1, $2, $3)
		on conflict (user_id) do update set role = excluded.role, role_event = excluded.role_event
		where not contacts.erased and (contacts.role_event is null or contacts.role_event < excluded.role_event)`,
		user, string(role), event)
	return err
}

// Erase removes a contact. Events that are consumed later do not restore it.
func Erase(ctx context.Context, tx pgx.Tx, user shop.UserID) error {
	_, err := tx.Exec(ctx, `
		insert into contacts (user_id, erased) values ($1, true)
		on conflict (user_id) do update
		set email = '', username = '', full_name = '', role = 'user', verified_email = '', erased = true`, user)
	return err
}
