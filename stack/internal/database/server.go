// Package database runs a private Postgres server and creates the services' databases in it.
package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sidecart/stack/internal/proc"
)

// Server is one Postgres server with its own data folder, listening on loopback.
type Server struct {
	Bin      string // the folder of postgres and initdb
	Data     string
	Port     int
	Password string // of the superuser "postgres"
	Log      string
	Durable  bool // false for tests: fast, and lost when the machine stops
}

// Init creates the data folder if there is none.
func (s Server) Init(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.Data, "PG_VERSION")); err == nil {
		return nil
	}
	// A folder without PG_VERSION is from an interrupted initdb.
	if err := errors.Join(os.RemoveAll(s.Data), os.MkdirAll(s.Data, 0o700)); err != nil {
		return err
	}
	account, err := accountFor(s.Data)
	if err != nil {
		return err
	}
	password := s.Data + ".initdb"
	defer os.Remove(password)
	if err := errors.Join(account.chown(s.Data), account.writeFile(password, s.Password+"\n")); err != nil {
		return err
	}
	args := []string{"-D", s.Data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8",
		"--auth=scram-sha-256", "--pwfile=" + password}
	if !s.Durable {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "initdb"), args...)
	cmd.Dir = "/"
	cmd.SysProcAttr = account.attr()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := proc.Run(cmd); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out.String())
	}
	return nil
}

// Spec describes the server for the supervisor.
func (s Server) Spec(name string) (proc.Spec, error) {
	account, err := accountFor(s.Data)
	if err != nil {
		return proc.Spec{}, err
	}
	return proc.Spec{
		Name: name, Log: s.Log, Dir: "/", // the server enters its data folder itself, with its own privileges
		Path:  filepath.Join(s.Bin, "postgres"),
		Args:  []string{"-D", s.Data},
		Ports: map[string]int{"sql": s.Port},
		Attr:  *account.attr(),
		// SIGINT is Postgres' fast shutdown: sessions end, nothing is lost. It kills its own children after 5 s.
		Stop: syscall.SIGINT, Grace: 7 * time.Second,
		Death:   syscall.SIGQUIT,
		Prepare: func() error { return errors.Join(s.configure(account), s.removeStaleLock()) },
		Ready:   s.connect, Alive: s.alive,
	}, nil
}

// configure writes the server's settings before each start.
func (s Server) configure(account account) error {
	settings := []string{
		"listen_addresses = '127.0.0.1'",
		"port = " + strconv.Itoa(s.Port),
		"unix_socket_directories = ''", // the path may be too long for a socket; clients use loopback and a password
		"password_encryption = 'scram-sha-256'",
		"max_connections = 200",
		"shared_buffers = '128MB'",
		"log_timezone = 'UTC'",
		"timezone = 'UTC'",
		"log_line_prefix = '%m %d %u '",
		"idle_in_transaction_session_timeout = '60s'",
		"fsync = " + strconv.FormatBool(s.Durable),
		"synchronous_commit = " + strconv.FormatBool(s.Durable),
		"full_page_writes = " + strconv.FormatBool(s.Durable),
	}
	return errors.Join(
		account.writeFile(filepath.Join(s.Data, "postgresql.auto.conf"), strings.Join(settings, "\n")+"\n"),
		account.writeFile(filepath.Join(s.Data, "pg_hba.conf"), "host all all 127.0.0.1/32 scram-sha-256\n"))
}

// removeStaleLock removes the lock file of a server that has exited. Postgres itself keeps it when another process has
// got the server's pid since.
func (s Server) removeStaleLock() error {
	path := filepath.Join(s.Data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil {
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd == s.Data && proc.Exists(pid) {
			return fmt.Errorf("a server already runs in %s: pid %d", s.Data, pid)
		}
	}
	return os.Remove(path)
}

// URL is the superuser's URL of a database.
func (s Server) URL(database string) string { return URL(s.Port, "postgres", s.Password, database) }

// URL is that of a database on this machine.
func URL(port int, user, password, database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, password),
		Host: fmt.Sprintf("127.0.0.1:%d", port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// alive accepts any response, also an error: a server that recovers or has no free connection does not hang.
func (s Server) alive(ctx context.Context) error {
	var response *pgconn.PgError
	if err := s.connect(ctx); !errors.As(err, &response) {
		return err
	}
	return nil
}

func (s Server) connect(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
