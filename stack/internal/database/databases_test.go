package database

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectAs connects to databases of the tests' server as a role.
func connectAs(t *testing.T, role, password string) func(context.Context, string) (*pgx.Conn, error) {
	t.Helper()
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		t.Skip("TEST_DATABASE_URL is not set: `make test` starts the Postgres that this test needs")
	}
	return func(ctx context.Context, db string) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig(server)
		if err != nil {
			return nil, err
		}
		config.Database = db
		if role != "" {
			config.User, config.Password = role, password
		}
		return pgx.ConnectConfig(ctx, config)
	}
}

func run(t *testing.T, connect func(context.Context, string) (*pgx.Conn, error), db string, statements ...string) error {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also after the test
	conn, err := connect(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// TestCreateWithoutSuperuser: the administrator of a cloud's server, who is no superuser, creates all databases;
// running it again changes nothing, and no role can connect to another's database.
func TestCreateWithoutSuperuser(t *testing.T) {
	super := connectAs(t, "", "")
	// Names of its own: other tests use the real ones on the same server.
	rename := strings.NewReplacer("audit_keeper", "cloud_keeper", "users", "cloud_users")
	var owners []Owner
	var remove []string
	for _, name := range []string{"users", "orders", "products"} {
		o := OwnerOf(name, "pw-"+name)
		o.Name = "cloud_" + name
		for n := range o.Scripts {
			o.Scripts[n], o.Roles[n] = rename.Replace(o.Scripts[n]), rename.Replace(o.Roles[n])
		}
		owners = append(owners, o)
		remove = append(remove, "drop database if exists "+o.Name+" with (force)")
	}
	for _, role := range []string{"cloud_users", "cloud_orders", "cloud_products", "cloud_keeper", "administrator"} {
		remove = append(remove, "drop role if exists "+role)
	}
	t.Cleanup(func() {
		if err := run(t, super, "postgres", remove...); err != nil {
			t.Error(err)
		}
	})
	if err := run(t, super, "postgres", "create role administrator login password 'secret' createdb createrole"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Create(t.Context(), connectAs(t, "administrator", "secret"), owners); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range owners {
		own := connectAs(t, o.Name, o.Password)
		if err := run(t, own, o.Name, "create table t (id int)", "drop table t"); err != nil {
			t.Errorf("%s cannot use its database: %v", o.Name, err)
		}
		for _, other := range []string{"cloud_users", "cloud_orders", "cloud_products"} {
			var refused *pgconn.PgError
			if err := run(t, own, other); other != o.Name && (!errors.As(err, &refused) || refused.Code != "42501") {
				t.Errorf("%s connects to %s: %v", o.Name, other, err)
			}
		}
	}
	if err := run(t, connectAs(t, "cloud_users", "pw-users"), "cloud_users", "delete from audit.entries"); err == nil {
		t.Error("users can delete entries of the audit log")
	}
}
