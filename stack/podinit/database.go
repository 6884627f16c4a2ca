package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"sidecart/stack/internal/database"
	"sidecart/stack/internal/secret"
)

// databaseWord creates the services' databases on a server that others run, over TLS. It may run again.
func databaseWord(ctx context.Context, args []string) (int, error) {
	if _, err := options("database", args, 0, func(*flag.FlagSet) {}); err != nil {
		return 0, err
	}
	files, err := variable()
	if err != nil {
		return 0, err
	}
	var set secret.Set
	if err := json.Unmarshal([]byte(files[secretsFile]), &set); err != nil {
		return 0, errors.New("SECRETS has no " + secretsFile + ": it must be that of postgres (`podinit pack postgres`)")
	}
	owners, err := set.Owners()
	if err != nil {
		return 0, err
	}
	connect, err := administrator(files[databaseCAFile])
	if err != nil {
		return 0, err
	}
	if err := database.Create(ctx, connect, owners); err != nil {
		return 0, err
	}
	apps := secret.Databases()
	log.Printf("podinit: the databases of %v are there", apps)
	return 0, nil
}

// administrator connects to databases of the server in DATABASE_ADDR, whose certificate must be of the authority ca, or
// of one that the system knows.
func administrator(ca string) (func(context.Context, string) (*pgx.Conn, error), error) {
	for _, name := range []string{"DATABASE_ADDR", "DATABASE_USER", "DATABASE_PASSWORD"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set", name)
		}
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if ca != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(ca)) {
			return nil, fmt.Errorf("%s in SECRETS has no certificate", databaseCAFile)
		}
	}
	return func(ctx context.Context, db string) (*pgx.Conn, error) {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(os.Getenv("DATABASE_USER"), os.Getenv("DATABASE_PASSWORD")),
			Host: os.Getenv("DATABASE_ADDR"), Path: "/" + db, RawQuery: "sslmode=verify-full",
		}
		config, err := pgx.ParseConfig(u.String())
		if err != nil {
			return nil, errors.New("DATABASE_ADDR is not HOST:PORT") // the error would show the password
		}
		config.TLSConfig.RootCAs = roots
		config.ConnectTimeout = 10 * time.Second
		return pgx.ConnectConfig(ctx, config)
	}, nil
}
