package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/users/internal/audit"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func record(t *testing.T, db *pgxpool.Pool, entries ...audit.Entry) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		for _, e := range entries {
			if err := audit.Record(t.Context(), tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, db *pgxpool.Pool, noted audit.Head) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), db, noted)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func entry(n int) audit.Entry {
	return audit.Entry{
		Action: audit.SignInFailed, User: shop.UserID{UUID: shop.NewID()},
		Details: map[string]string{"n": fmt.Sprint(n), "text": "a:1,\"é\"\n"},
		From:    audit.Origin{Address: "192.0.2.7", UserAgent: strings.Repeat("é", 300)},
	}
}

// TestConcurrentWriters: each has its own connection, as replicas have. Some transactions roll back.
func TestConcurrentWriters(t *testing.T) {
	db := kittest.DB(t, audit.Migrations)
	errRollback := errors.New("roll back")
	var writers sync.WaitGroup
	for w := range 12 {
		writers.Go(func() {
			for n := range 20 {
				err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
					if err := audit.Record(t.Context(), tx, entry(n)); err != nil {
						return err
					}
					if (w+n)%5 == 0 {
						return errRollback
					}
					return audit.Record(t.Context(), tx, audit.Entry{Action: audit.SignedIn})
				})
				if err != nil && !errors.Is(err, errRollback) {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	const want = 2 * 12 * 20 * 4 / 5
	if report := verify(t, db, audit.Head{}); report.Entries != want || len(report.Flaws) > 0 || report.Head.Seq != want {
		t.Errorf("%d entries, %v", report.Entries, report.Flaws)
	}
}

// TestTampering changes entries as a superuser. Verify must name the entry.
func TestTampering(t *testing.T) {
	for name, c := range map[string]struct {
		do   string
		want string // "" if only a noted head reveals it
	}{
		"another action":      {`update audit.entries set action = 'account.opened' where seq = 4`, "entry 4 was changed"},
		"another time":        {`update audit.entries set at = at - interval '1 microsecond' where seq = 4`, "entry 4 was changed"},
		"another user":        {`update audit.entries set user_id = gen_random_uuid() where seq = 1`, "entry 1 was changed"},
		"no user":             {`update audit.entries set user_id = null where seq = 5`, "entry 5 was changed"},
		"another address":     {`update audit.entries set address = '' where seq = 2`, "entry 2 was changed"},
		"details":             {`update audit.entries set details = '{"n":"9"}' where seq = 3`, "entry 3 was changed"},
		"text between fields": {`update audit.entries set address = '192.0.2.', user_agent = '7' || user_agent where seq = 3`, "entry 3 was changed"},
		"an entry removed":    {`delete from audit.entries where seq = 3`, "entry 3 is missing"},
		"the first removed":   {`delete from audit.entries where seq = 1`, "entry 1 is missing"},
		"the last removed":    {`delete from audit.entries where seq = 6`, "entry 6 and all after it are missing"},
		"all removed":         {`delete from audit.entries`, "entry 1 and all after it are missing"},
		"the head removed":    {`delete from audit.head`, "the head of the chain was removed"},
		"swapped":             {`update audit.entries set seq = case seq when 3 then -4 else -3 end where seq in (3, 4); update audit.entries set seq = -seq where seq < 0`, "entry 3 was changed"},
		"an entry appended":   {`alter table audit.entries disable trigger user; insert into audit.entries (seq, at, action, previous, hash) select 7, now(), 'x', hash, hash from audit.entries where seq = 6; update audit.head set seq = 7`, "entry 7 was changed"},
		"the end removed":     {`delete from audit.entries where seq > 4; update audit.head set seq = 4, hash = (select hash from audit.entries where seq = 4)`, ""},
		"a new chain":         {`delete from audit.entries; update audit.head set seq = 0, hash = sha256('sidecart audit'); insert into audit.entries (action) select 'account.opened' from generate_series(1, 6)`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := kittest.DB(t, audit.Migrations)
			for n := range 6 {
				record(t, db, entry(n))
			}
			before := verify(t, db, audit.Head{})
			if len(before.Flaws) > 0 {
				t.Fatal(before.Flaws)
			}
			if _, err := db.Exec(t.Context(), c.do); err != nil {
				t.Fatal(err)
			}
			without, with := fmt.Sprint(verify(t, db, audit.Head{}).Flaws), fmt.Sprint(verify(t, db, before.Head).Flaws)
			if c.want == "" {
				if without != "[]" || !strings.Contains(with, "entry 6 ") {
					t.Errorf("without the noted head %s, with it %s", without, with)
				}
			} else if !strings.Contains(without, c.want) || !strings.Contains(with, c.want) {
				t.Errorf("no %q in %s", c.want, without)
			}
		})
	}
}

// TestTheServicesRoleCanOnlyReadAndInsert uses the role of the service.
func TestTheServicesRoleCanOnlyReadAndInsert(t *testing.T) {
	db := kittest.DB(t, audit.Migrations)
	record(t, db, entry(1), entry(2))
	as := func(sql string) error {
		return pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `set local session authorization users`); err != nil {
				t.Fatal(err)
			}
			_, err := tx.Exec(t.Context(), sql)
			return err
		})
	}
	for _, sql := range []string{
		`select seq, hash from audit.entries`,
		`insert into audit.entries (action, details) values ('x.y', '{}')`,
	} {
		if err := as(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		`update audit.entries set action = 'x'`,
		`update audit.entries set action = action where false`,
		`delete from audit.entries`,
		`truncate audit.entries`,
		`insert into audit.entries (seq, action) values (1000, 'x')`,
		`insert into audit.entries (at, action) values (now(), 'x')`,
		`insert into audit.entries (hash, action) values ('', 'x')`,
		`insert into audit.entries (action) values ('x') on conflict (seq) do update set action = 'x'`,
		`select from audit.entries for update`,
		`lock table audit.entries in access exclusive mode`,
		`alter table audit.entries disable trigger all`,
		`drop trigger entries_are_chained on audit.entries`,
		`create trigger mine before insert on audit.entries for each row execute function suppress_redundant_updates_trigger()`,
		`create rule mine as on insert to audit.entries do instead nothing`,
		`alter table audit.entries owner to users`,
		`alter table audit.entries add column mine text`,
		`drop table audit.entries`,
		`drop schema audit cascade`,
		`alter schema audit rename to removed`,
		`create table audit.mine (x int)`,
		`update audit.head set seq = 0`,
		`delete from audit.head`,
		`create or replace function audit.chain() returns trigger language plpgsql as 'begin return null; end'`,
		`drop function audit.chain() cascade`,
		`set session_replication_role = replica`,
		`set role audit_keeper`,
		`reassign owned by audit_keeper to users`,
	} {
		var refused *pgconn.PgError
		if err := as(sql); !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v, want a refusal (42501)", sql, err)
		}
	}
	if err := as(`grant all on audit.entries, audit.head to users`); err != nil { // Postgres only warns that this grants nothing
		t.Error(err)
	}
	var more bool
	if err := db.QueryRow(t.Context(), `select has_table_privilege('users', 'audit.entries', 'update, delete, truncate, trigger, references')`).Scan(&more); err != nil || more {
		t.Errorf("the role has more privileges: %v %v", more, err)
	}
	if report := verify(t, db, audit.Head{}); report.Entries != 3 || len(report.Flaws) > 0 {
		t.Errorf("%d entries, %v", report.Entries, report.Flaws)
	}
}

// TestMigrationsCanRunAgain, as `make run` runs them at each start.
func TestMigrationsCanRunAgain(t *testing.T) {
	db := kittest.DB(t, audit.Migrations)
	record(t, db, entry(1))
	text, err := fs.ReadFile(audit.Migrations.Files, "0001_audit.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), string(text)); err != nil {
		t.Fatal(err)
	}
	record(t, db, entry(2))
	if report := verify(t, db, audit.Head{}); report.Entries != 2 || len(report.Flaws) > 0 {
		t.Errorf("%d entries, %v", report.Entries, report.Flaws)
	}
}

func TestList(t *testing.T) {
	db := kittest.DB(t, event.Migrations, audit.Migrations)
	app := web.New("users", web.Config{Verify: kittest.Verify})
	if _, err := audit.Open(t.Context(), kittest.DB(t, event.Migrations)); err == nil || !strings.Contains(err.Error(), "has no audit") {
		t.Errorf("a database without the audit: %v", err)
	}
	audits, err := audit.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	audits.Routes(app)
	admin, ann := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	record(t, db,
		audit.Entry{Action: audit.Registered, User: ann.ID, From: audit.Origin{Address: "192.0.2.1", UserAgent: "<script>alert(1)</script>"}},
		audit.Entry{Action: audit.SignedIn, Actor: ann.ID, User: ann.ID},
		audit.Entry{Action: audit.RoleChanged, Actor: admin.ID, User: ann.ID, Details: map[string]string{"role": "admin"}},
		audit.Entry{Action: audit.SignInFailed},
	)
	list := "GET /audit?limit=10"
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "no token", Do: list, Want: 401},
		{Name: "a user", As: ann, Do: list, Want: 403},
		{Name: "all, newest first", As: admin, Do: list, Want: 200, Has: []string{`"items":[{"seq":4`, `"seq":1`, `"next_cursor":null`, `"details":{"role":"admin"}`, `"address":"192.0.2.1"`, `"user_id":null`}, HasNot: []string{"<script>"}},
		{Name: "about one user", As: admin, Do: list + "&user_id=" + ann.ID.String(), Want: 200, Has: []string{`"seq":3`, `"seq":1`}, HasNot: []string{`"seq":4`}},
		{Name: "by one user", As: admin, Do: list + "&actor_id=" + admin.ID.String(), Want: 200, Has: []string{`"seq":3`}, HasNot: []string{`"seq":2`, `"seq":1`}},
		{Name: "of one action", As: admin, Do: list + "&action=session.signed_in", Want: 200, Has: []string{`"seq":2`}, HasNot: []string{`"seq":3`, `"seq":1`}},
		{Name: "before the first", As: admin, Do: list + "&to=2000-01-01T00:00:00Z", Want: 200, Has: []string{`"items":[]`}},
		{Name: "since then", As: admin, Do: list + "&from=2000-01-01T00:00:00Z", Want: 200, Has: []string{`"seq":1`}},
		{Name: "a UUID in braces", As: admin, Do: list + "&actor_id=%7B0192f0c1-2d3e-7abc-8def-0123456789ab%7D", Want: 422, Has: []string{`"actor_id":"must be a UUID"`}},
		{Name: "a UUID without hyphens", As: admin, Do: list + "&user_id=0192f0c12d3e7abc8def0123456789ab", Want: 422, Has: []string{`"user_id":"must be a UUID"`}},
		{Name: "a UUID in capitals", As: admin, Do: list + "&actor_id=0192F0C1-2D3E-7ABC-8DEF-0123456789AB", Want: 200},
		{Name: "an offset of 60 minutes", As: admin, Do: list + "&from=2026-06-01T00:00:00%2B01:60", Want: 422, Has: []string{`"from":"must have an offset`}},
		{Name: "an offset of a day", As: admin, Do: list + "&from=2026-06-01T00:00:00-24:00", Want: 422, Has: []string{`"from"`}},
		{Name: "the largest offset", As: admin, Do: list + "&from=2026-06-01T00:00:00-23:59", Want: 200},
		{Name: "not a time", As: admin, Do: list + "&from=yesterday", Want: 422, Has: []string{`"from"`}},
		{Name: "not a user id", As: admin, Do: list + "&user_id=x", Want: 422, Has: []string{`"user_id"`}},
		{Name: "no time", As: admin, Do: "GET /audit?from=yesterday", Want: 422, Has: []string{`"from":"must be a time like 2026-11-25T09:30:00Z"`}},
		{Name: "a page", As: admin, Do: "GET /audit?limit=3", Want: 200, HasNot: []string{`"seq":1,`}, AndThen: func(t *testing.T, body []byte) {
			_, next := kittest.Do(t, app, kittest.Call{As: admin, Do: "GET /audit?limit=3&cursor=" + kittest.Field[string](t, body, "next_cursor")})
			if items := kittest.Field[[]json.RawMessage](t, next, "items"); len(items) != 1 || !strings.Contains(string(items[0]), `"seq":1,`) {
				t.Errorf("the next page: %s", next)
			}
		}},
	})
	about, err := audit.ListByUser(context.Background(), db, ann.ID)
	if err != nil || len(about) != 3 {
		t.Errorf("%d entries, %v", len(about), err)
	}
}
