// Package broker runs a private Redis server: the message broker of the platform on one machine, and its store for rate
// limits and lockouts.
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

// Server is one Redis server with its own data folder, listening on loopback.
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
		Ready:   s.ping, Alive: s.alive,
	}
}

func (s Server) config() string { return filepath.Join(s.Data, "redis.conf") }

// configure writes the settings before each start. The password is in a private file, not on the command line.
func (s Server) configure() error {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return err
	}
	settings := []string{
		"bind 127.0.0.1",
		fmt.Sprintf("port %d", s.Port),
		"protected-mode yes",
	}
	return os.WriteFile(s.config(), []byte(strings.Join(settings, "\n")+"\n"+Config(s.Password, s.Data)), 0o600)
}

// Config are the settings of the server wherever it runs, with its data in a folder.
func Config(password, data string) string {
	return strings.Join([]string{
		"requirepass " + password,
		fmt.Sprintf("dir %q", data),
		"daemonize no",
		"logfile \"\"",
		// Every write is in the file before its response: a killed server loses nothing. The file is synchronised once
		// a second: a power failure loses at most the last second.
		"appendonly yes",
		"appendfsync everysec",
		"aof-load-truncated yes",
		"save \"\"",
		// Never evict messages and denylists when memory is short.
		"maxmemory-policy noeviction",
		"set-proc-title no",
	}, "\n") + "\n"
}

// TLS are further settings of a server that speaks TLS only, with a certificate in a folder.
func TLS(dir string) string {
	return strings.Join([]string{
		"port 0",
		"tls-port 6379",
		"tls-cert-file " + dir + "/server.crt",
		"tls-key-file " + dir + "/server.key",
		"tls-auth-clients no", // they have a password
		"tls-protocols \"TLSv1.2 TLSv1.3\"",
	}, "\n") + "\n"
}

// errorResponse is a response that is not the expected one.
type errorResponse struct{ text string }

func (r errorResponse) Error() string { return "redis: " + r.text }

// alive accepts any response, also an error: a server that loads its data does not hang.
func (s Server) alive(ctx context.Context) error {
	if err := s.ping(ctx); !errors.As(err, new(errorResponse)) {
		return err
	}
	return nil
}

// ping fails while the server loads its data. It needs no client library: Redis reads commands as lines of text, too.
func (s Server) ping(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
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
		text, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if text = strings.TrimSpace(text); text != want {
			return errorResponse{text}
		}
	}
	return nil
}
