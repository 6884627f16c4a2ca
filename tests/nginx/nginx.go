// Package nginx runs the configuration in deploy/nginx with a real nginx, before any gateways on this machine.
package nginx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sidecart/tests/platform"
)

// Server is a running nginx.
type Server struct {
	Dir     string // its /tmp, /etc/nginx/tls and /acme
	URL     string // http://127.0.0.1:PORT
	TLS     string // https://localhost:PORT, if it has a certificate
	Version string

	process *exec.Cmd
	output  *os.File
}

// Options are what differs from a container. Dir and Gateways are required.
type Options struct {
	Dir      string   // an empty folder
	Gateways []string // host:port
	// Certificate and Key are PEM texts. With them nginx runs https.conf instead of http.conf.
	Certificate, Key []byte
}

// Start starts nginx, and returns when it listens.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{Dir: o.Dir}
	program, err := s.configure(ctx, o)
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, program, s.args("-t")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("nginx -t: %w\n%s", err, out)
	}
	if s.output, err = os.Create(filepath.Join(o.Dir, "output")); err != nil {
		return nil, err
	}
	s.process = exec.CommandContext(context.WithoutCancel(ctx), program, s.args("-g", directives())...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := platform.StartBound(s.process); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(s.URL, "http://"))
		if err == nil {
			return s, conn.Close()
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("nginx does not listen: %w\n%s", err, s.Output()), s.Stop())
		}
	}
}

func (s *Server) args(more ...string) []string {
	return append([]string{"-e", "stderr", "-p", s.Dir, "-c", filepath.Join(s.Dir, "conf", "nginx.conf")}, more...)
}

// directives are what the container sets on the command line. Root's workers would be another user, who cannot read a
// test's folder.
func directives() string {
	if os.Geteuid() == 0 {
		return "daemon off; user root;"
	}
	return "daemon off;"
}

// Reload makes nginx read its files again.
func (s *Server) Reload() error {
	out, err := exec.CommandContext(context.Background(), s.process.Path, s.args("-s", "reload")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// Output is what nginx has written, with the log of requests.
func (s *Server) Output() string {
	text, _ := os.ReadFile(s.output.Name()) // empty if it was removed
	return string(text)
}

// Stop stops nginx.
func (s *Server) Stop() error {
	err := s.process.Process.Signal(os.Interrupt)
	if waited := s.process.Wait(); waited != nil && s.process.ProcessState.ExitCode() != 0 {
		err = errors.Join(err, waited)
	}
	return errors.Join(err, s.output.Close())
}

// Program is nginx. `make test` installs it, as root on a Debian-like system, and sets NGINX.
func Program() (string, error) {
	for _, path := range []string{os.Getenv("NGINX"), "nginx", "/usr/sbin/nginx"} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", errors.New("nginx is not installed: sudo apt-get install -y nginx-light")
}
