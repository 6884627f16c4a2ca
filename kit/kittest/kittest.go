// Package kittest has fixtures of the services' tests: a database per test, tokens, and tables of API calls.
package kittest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/kit/auth"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

var (
	templatesMu sync.Mutex
	templates   = map[string]string{} // migrations' names to the name of the migrated database
)

// DB creates a migrated database for the test and drops it afterwards. It needs TEST_DATABASE_URL, a superuser on a
// throw-away server, which `make test` sets.
func DB(t testing.TB, migrations ...postgres.Migrations) *pgxpool.Pool {
	t.Helper()
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		t.Fatal("TEST_DATABASE_URL is not set: run the tests with `make test PKG=./apps/orders/...`, which starts a Postgres for them")
	}
	ctx := t.Context()
	admin, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to TEST_DATABASE_URL: %v", err)
	}
	defer admin.Close(ctx) //nolint:errcheck // a test's end
	template := templateFor(t, admin, server, migrations)
	name := "test_" + random()
	exec(t, admin, fmt.Sprintf(`create database %s template %s`, name, template))
	db, err := postgres.Open(ctx, withDatabase(t, server, name))
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(func() {
		db.Close()
		ctx := context.Background()
		admin, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Errorf("drop the test's database: %v", err)
			return
		}
		defer admin.Close(ctx) //nolint:errcheck // a test's end
		exec(t, admin, fmt.Sprintf(`drop database %s with (force)`, name))
	})
	return db
}

// templateFor migrates a template database once per test binary.
func templateFor(t testing.TB, admin *pgx.Conn, server string, migrations []postgres.Migrations) string {
	t.Helper()
	templatesMu.Lock()
	defer templatesMu.Unlock()
	var names []string
	for _, m := range migrations {
		names = append(names, m.Name)
	}
	key := strings.Join(names, "+")
	if name, ok := templates[key]; ok {
		return name
	}
	name := "template_" + random()
	exec(t, admin, `create database `+name)
	url := withDatabase(t, server, name)
	prepare, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatalf("connect to the template: %v", err)
	}
	exec(t, prepare, `create extension if not exists pg_trgm; create extension if not exists unaccent`)
	if err := prepare.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), url, migrations...)
	if err != nil {
		t.Fatalf("migrate: %v", err)
	}
	db.Close()
	templates[key] = name
	return name
}

func exec(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func withDatabase(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("TEST_DATABASE_URL cannot be read")
	}
	u.Path = "/" + name
	return u.String()
}

func random() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Signer signs tokens that Verify accepts, with a key of this test binary.
var Signer = newSigner()

func newSigner() *auth.Signer {
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // never fails
	s, err := auth.NewSigner(base64.StdEncoding.EncodeToString(seed))
	if err != nil {
		panic(err)
	}
	return s
}

// Verify is the real verification, with the key of Signer.
var Verify = auth.NewVerifier(Signer.Feed).Verify

// NewCaller returns a caller with a new user and session.
func NewCaller(role shop.Role) shop.Caller {
	return shop.Caller{ID: shop.UserID{UUID: shop.NewID()}, SessionID: uuid.New(), Role: role}
}

// Eventually calls fn until it returns nil. After the timeout the test fails with fn's last error.
func Eventually(t testing.TB, timeout time.Duration, fn func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", timeout, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
