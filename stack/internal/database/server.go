// Package database runs a private Postgres server and makes the services' databases in it.
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

// Server is one Postgres server with a data folder of its own, listening on loopback only.
type Server struct {
	Bin      string // the folder of postgres and initdb
	Data     string
	Port     int
	Password string // of the superuser "postgres"
	Log      string
	Durable  bool // false for tests: fast, and lost when the machine stops
}

// Init makes the data folder if there is none yet.
func (s Server) Init(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.Data, "PG_VERSION")); err == nil {
		return nil
	}
	// What is there without a PG_VERSION is an initdb that was interrupted.
	if err := os.RemoveAll(s.Data); err != nil {
		return err
	}
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	account, err := accountFor(s.Data)
	if err != nil {
		return err
	}
	if err := account.own(s.Data); err != nil {
		return err
	}
	password := s.Data + ".initdb" // a file that initdb may read, for as long as it runs
	if err := os.WriteFile(password, []byte(s.Password+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(password)
	if err := account.own(password); err != nil {
		return err
	}
	args := []string{"-D", s.Data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--pwfile=" + password}
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
		Name: name, Log: s.Log, Dir: "/", // it goes to its data folder by itself, with rights that it has only once it runs
		Path:  filepath.Join(s.Bin, "postgres"),
		Args:  []string{"-D", s.Data},
		Ports: map[string]int{"sql": s.Port},
		Attr:  *account.attr(),
		// Fast shutdown: sessions are ended, nothing is lost. Longer than the 5 s after which it kills children that hang.
		Stop: syscall.SIGINT, Grace: 7 * time.Second,
		Death: syscall.SIGQUIT,
		Prepare: func() error {
			if err := s.configure(account); err != nil {
				return err
			}
			return s.forget()
		},
		Ready: s.connect, Alive: s.answers,
	}, nil
}

// configure writes the server's settings anew at each start, so that they always are what this program says.
func (s Server) configure(account account) error {
	settings := []string{
		"listen_addresses = '127.0.0.1'",
		"port = " + strconv.Itoa(s.Port),
		"unix_socket_directories = ''", // a path may be too long for one; everybody comes by loopback, with a password
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
	hba := "host all all 127.0.0.1/32 scram-sha-256\n"
	for name, text := range map[string]string{
		"postgresql.auto.conf": strings.Join(settings, "\n") + "\n",
		"pg_hba.conf":          hba,
	} {
		path := filepath.Join(s.Data, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
		if err := account.own(path); err != nil {
			return err
		}
	}
	return nil
}

// forget removes the lock of a server that is gone. Postgres does so itself unless another process has got its number since.
func (s Server) forget() error {
	path := filepath.Join(s.Data, "postmaster.pid")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err == nil {
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd == s.Data && proc.Exists(pid) {
			return fmt.Errorf("a server already works in %s: pid %d", s.Data, pid)
		}
	}
	return os.Remove(path)
}

// URL is the superuser's address of a database.
func (s Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword("postgres", s.Password),
		Host: fmt.Sprintf("127.0.0.1:%d", s.Port), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// answers accepts any word of the server, so that one that recovers or has no connection left is not taken for one that
// hangs.
func (s Server) answers(ctx context.Context) error {
	var refusal *pgconn.PgError
	if err := s.connect(ctx); !errors.As(err, &refusal) {
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
