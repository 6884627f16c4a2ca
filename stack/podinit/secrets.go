package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/settings"
)

// secretSettings become secrets. All other settings of .env are settings of services.
var secretSettings = []string{
	"DB_USER", "DB_PASSWORD", "JWT_SECRET_KEY", "EMAIL_USERNAME", "EMAIL_PASSWORD", "STRIPE_API_KEY", "STRIPE_WEBHOOK_KEY",
}

func secretsWord(_ context.Context, args []string) (int, error) {
	var dir, envFile string
	var production, tls, optional bool
	_, err := options("secrets", args, 0, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", "", "folder of secrets")
		f.StringVar(&envFile, "env", "", "file of settings, as Compose reads it")
		f.BoolVar(&tls, "tls", false, "Postgres and Redis speak TLS only")
		f.BoolVar(&optional, "optional", false, "the file of settings may be missing")
		f.BoolVar(&production, "production", false, "refuse what is unsafe for a public platform")
	})
	if err == nil && dir == "" {
		err = errors.New("-dir is missing: the folder of secrets")
	}
	if err != nil {
		return 0, err
	}
	from := settings.Environment()
	if envFile != "" {
		from, err = settings.Read(envFile)
		if optional && errors.Is(err, fs.ErrNotExist) {
			from, err = settings.Environment(), nil // everything has a default
		}
		if err != nil {
			return 0, err
		}
	}
	if err := check(from, production); err != nil {
		return 0, err
	}
	changed, err := makeSecrets(dir, from, tls)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: %s and what is in it must belong to the user %d, who makes the secrets", err, dir, os.Getuid())
	}
	if err == nil {
		fmt.Printf("secrets in %s: %d files written, the others are as they were\n", dir, changed)
	}
	return 0, err
}

// makeSecrets makes the missing secrets in dir and writes the folder of each container.
func makeSecrets(dir string, s settings.Settings, tls bool) (changed int, err error) {
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(masterFile)), 0o700); err != nil {
		return 0, err
	}
	unlock, err := lock(filepath.Join(dir, filepath.Dir(masterFile), "lock"))
	if err != nil {
		return 0, err
	}
	defer unlock()
	m, err := readMaster(dir)
	if err != nil {
		return 0, err
	}
	m.tls = tls
	if err := m.complete(s); err != nil {
		return 0, err
	}
	all, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return 0, err
	}
	// First the master: what the others have is never lost.
	if _, err := write(dir, map[string][]byte{masterFile: append(all, '\n')}); err != nil {
		return 0, err
	}
	files, err := m.files()
	if err != nil {
		return 0, err
	}
	if s.HasFile() {
		text, err := s.EnvFile(secretSettings)
		if err != nil {
			return 0, err
		}
		files[settingsFile] = []byte("# The settings of .env that are no secrets, for all services; written by `make secrets`.\n" + text)
	}
	return write(dir, files)
}

// lock waits until no other process makes secrets in the same folder.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's folder
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { //nolint:gosec // a small number
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// complete makes what is missing. Values that people set are taken the first time; a different one later is an error,
// because data depends on the first.
func (m *master) complete(s settings.Settings) (err error) {
	if len(m.Authority.Issuer) == 0 {
		if m.Authority, err = identity.NewAuthority(); err != nil {
			return err
		}
	}
	if m.Servers.CA == nil {
		if m.Servers, err = identity.NewServers("postgres", "redis"); err != nil {
			return err
		}
	}
	if err := m.checkAuthority(); err != nil {
		return err
	}
	for _, app := range secret.Apps() {
		if m.Tokens[app].Dapr == "" {
			m.Tokens[app] = secret.NewPair()
		}
	}
	if err := m.take(s); err != nil {
		return err
	}
	address := func(db, password string) string { return m.databaseURL(s, db, password) }
	m.Secrets.Complete(address)
	m.Secrets.FollowProviders(s)
	return m.Secrets.MoveDatabases(address)
}

// checkAuthority warns for two months before the authority's certificates end, and fails after that: no process can get
// a certificate then.
func (m *master) checkAuthority() error {
	expires, err := m.Authority.Expires()
	if err != nil {
		return fmt.Errorf("%s: %w", masterFile, err)
	}
	left := time.Until(expires)
	if left > 60*24*time.Hour {
		return nil
	}
	message := fmt.Sprintf("the authority of certificates ends on %s: remove \"authority\" from %s, make the secrets again and "+
		"restart all containers", expires.Format(time.DateOnly), masterFile)
	if left <= 0 {
		return errors.New(message)
	}
	fmt.Fprintln(os.Stderr, message)
	return nil
}

// take takes the secrets that people may choose.
func (m *master) take(s settings.Settings) error {
	user, password := s.Get("DB_USER", ""), s.Get("DB_PASSWORD", "")
	if m.Database.User == "" {
		m.Database.User = s.Get("DB_USER", "postgres")
	}
	if m.Database.Password == "" {
		m.Database.Password = cmp.Or(password, secret.NewPassword())
	}
	if user != "" && user != m.Database.User {
		return fmt.Errorf("DB_USER is %q, but this platform's database was made by %q: the administrator of an existing "+
			"database has no other name; set it back, or leave it out", user, m.Database.User)
	}
	if password != "" && password != m.Database.Password {
		return fmt.Errorf("DB_PASSWORD differs from the one with which the database was made: set it back, or leave it out. "+
			"To change it: ALTER ROLE %s PASSWORD '...' in Postgres, then the same in %s (\"database\"), then again here",
			m.Database.User, masterFile)
	}
	key := s.Get("JWT_SECRET_KEY", "")
	if m.Secrets["JWT_SECRET_KEY"] == "" || shareKey(key, m.Secrets["JWT_SECRET_KEY"]) {
		m.Secrets["JWT_SECRET_KEY"] = cmp.Or(key, m.Secrets["JWT_SECRET_KEY"])
	}
	if key != "" && key != m.Secrets["JWT_SECRET_KEY"] {
		return errors.New("JWT_SECRET_KEY differs from the existing one, and users would be signed out: set it back, or leave " +
			"it out. To replace it, set OLD,NEW, then NEW,OLD, then NEW (docs/operations.md, Signing keys)")
	}
	return nil
}

// databaseURL is the address of a service's database: DB_ADDR and DB_SSLMODE say where the server is.
func (m *master) databaseURL(s settings.Settings, db, password string) string {
	mode, root := "disable", ""
	if m.tls {
		mode, root = "verify-full", mounted+"/tls/"+anchorsFile
	}
	query := url.Values{"sslmode": {s.Get("DB_SSLMODE", mode)}}
	if root = s.Get("DB_SSLROOTCERT", root); root != "" {
		query.Set("sslrootcert", root)
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(db, password),
		Host: s.Get("DB_ADDR", "postgres:5432"), Path: "/" + db, RawQuery: query.Encode(),
	}
	return u.String()
}
