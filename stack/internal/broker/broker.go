// Package broker runs a private Redis server: the broker of the local platform, and the gateway's limits and lists.
package broker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sidecart/stack/internal/proc"
)

// Server is one Redis server with a data folder of its own, listening on loopback only.
type Server struct {
	Program  string
	Data     string
	Port     int
	Password string
	Log      string
}

// Spec describes the server for the supervisor.
func (s Server) Spec(name string) proc.Spec {
	return proc.Spec{
		Name: name, Log: s.Log, Dir: s.Data,
		Path:    s.Program,
		Args:    []string{s.config()},
		Ports:   map[string]int{"redis": s.Port},
		Grace:   4 * time.Second,
		Prepare: s.configure,
		Ready:   s.ping, Alive: s.answers,
	}
}

func (s Server) config() string { return filepath.Join(s.Data, "redis.conf") }

// configure writes the settings anew at each start. The password stands in a private file, not on the command line.
func (s Server) configure() error {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	settings := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", s.Port),
		"protected-mode yes",
		"requirepass " + s.Password,
		fmt.Sprintf("dir %q", s.Data),
		"daemonize no",
		"logfile \"\"",
		// Every write is in the file before it is answered, so that a killed server loses nothing; the disk is told once a
		// second, so that a machine that loses its power may lose the last one.
		"appendonly yes",
		"appendfsync everysec",
		"aof-load-truncated yes",
		"save \"\"",
		// Messages and denylists must not be thrown away for want of memory.
		"maxmemory-policy noeviction",
		"set-proc-title no",
	}
	tmp := s.config() + ".new"
	if err := os.WriteFile(tmp, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.config())
}

// refusal is an answer that is not the wanted one.
type refusal struct{ line string }

func (r refusal) Error() string { return "redis: " + r.line }

// answers accepts any word of the server: one that loads its data does not hang.
func (s Server) answers(ctx context.Context) error {
	if err := s.ping(ctx); !errors.As(err, new(refusal)) {
		return err
	}
	return nil
}

// ping asks for a PONG. It fails while the server loads its data.
func (s Server) ping(ctx context.Context) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", s.Password)
	r := bufio.NewReader(conn)
	for _, want := range []string{"+OK", "+PONG"} {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) != want {
			return refusal{strings.TrimSpace(line)}
		}
	}
	return nil
}
