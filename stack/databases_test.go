package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"sidecart/stack/internal/database"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
	"sidecart/stack/internal/secret"
)

// TestDatabasesScript: what Postgres' image runs at its first start makes the same databases as `make run`, and may run
// again.
func TestDatabasesScript(t *testing.T) {
	ctx, log := context.Background(), progress.New(os.Stderr)
	bin, _, err := program.Servers(ctx, log)
	if err != nil {
		t.Skip(err)
	}
	psql := filepath.Join(bin, "psql")
	if _, err := os.Stat(psql); err != nil {
		if psql, err = exec.LookPath("psql"); err != nil {
			t.Skip("psql is not installed: ", err)
		}
	}
	dir, err := os.MkdirTemp("", "databases-") // Postgres' user can enter it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	server, super, err := startTestPostgres(ctx, bin, dir, log)
	if err != nil {
		t.Fatal(err)
	}
	defer super.Stop("postgres")
	for _, password := range []string{"first", "it's the second"} {
		owners := ownersWith(t, password)
		cmd := exec.CommandContext(ctx, psql, "--no-psqlrc", "--quiet", "--dbname", server.URL("postgres"))
		cmd.Stdin = strings.NewReader(database.Script(owners))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		for _, o := range owners {
			checkOwner(t, server, o)
		}
	}
	if err := server.Create(ctx, ownersWith(t, "third")); err != nil {
		t.Errorf("after the script, `make run` fails: %v", err)
	}
}

func ownersWith(t *testing.T, password string) []database.Owner {
	t.Helper()
	set := secret.Set{}
	set.Complete(func(db, _ string) string { return database.URL(1, db, password, db) })
	owners, err := set.Owners()
	if err != nil || len(owners) != 4 {
		t.Fatal(owners, err)
	}
	return owners
}

// checkOwner: a role signs in to its own database and to no other, and has what its service needs there.
func checkOwner(t *testing.T, server database.Server, o database.Owner) {
	t.Helper()
	for _, name := range []string{"users", "products", "orders", "notifications", "postgres", "template1"} {
		conn, err := pgx.Connect(t.Context(), database.URL(server.Port, o.Name, o.Password, name))
		if (err == nil) != (name == o.Name) {
			t.Errorf("%s connects to %s: %v", o.Name, name, err)
		}
		if err != nil {
			continue
		}
		for _, query := range map[string][]string{
			"users": {
				"insert into audit.entries (action) values ('signed in') returning action = 'signed in'",
				"select not has_table_privilege('audit.entries', 'update') and not has_table_privilege('audit.entries', 'delete')",
				"select tableowner = 'audit_keeper' from pg_tables where schemaname = 'audit' and tablename = 'entries'",
			},
			"products": {"select similarity('café', 'cafe') > 0 and unaccent('café') = 'cafe'"},
			"orders":   {"select nspowner = 'orders'::regrole from pg_namespace where nspname = 'workflows'"},
		}[name] {
			var ok bool
			if err := conn.QueryRow(t.Context(), query).Scan(&ok); err != nil || !ok {
				t.Errorf("%s: %s: %s %v", name, query, strconv.FormatBool(ok), err)
			}
		}
		var super bool
		if err := conn.QueryRow(t.Context(), "select rolsuper or rolcreatedb or rolcreaterole from pg_roles where rolname = current_user").Scan(&super); err != nil || super {
			t.Errorf("%s has privileges on the server: %t %v", o.Name, super, err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
