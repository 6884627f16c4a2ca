package nginx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"sidecart/tests/platform"
)

// configure writes the configuration for this machine: other ports and folders, and fixed gateways, since nginx before
// 1.27.3 (Debian 12) has neither `resolve` nor `http2 on`. It returns nginx's path.
func (s *Server) configure(ctx context.Context, o Options) (program string, err error) {
	if program, err = Program(); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, program, "-v").CombinedOutput()
	if err != nil {
		return "", err
	}
	s.Version = regexp.MustCompile(`\d+(\.\d+)+`).FindString(string(out))
	root, err := platform.Root()
	if err != nil {
		return "", err
	}
	plain, secure, err := freePorts()
	if err != nil {
		return "", err
	}
	s.URL = "http://" + plain
	files := map[string][]byte{"upstream.conf": []byte(upstream(o.Gateways))}
	names := map[string]string{
		"nginx.conf": "nginx.conf", "site.conf": "site.conf", "proxy.conf": "proxy.conf", "server.conf": "http.conf",
	}
	if o.Certificate != nil {
		names["server.conf"] = "https.conf"
		s.TLS = "https://" + strings.Replace(secure, "127.0.0.1", "localhost", 1)
		files["../tls/certificate.pem"], files["../tls/key.pem"] = o.Certificate, o.Key
	}
	here := strings.NewReplacer("/tmp/", o.Dir+"/", "/etc/nginx/tls/", o.Dir+"/tls/", "root /acme", "root "+o.Dir+"/acme",
		"listen 8080", "listen "+plain, "listen 8443", "listen "+secure)
	for name, from := range names {
		text, err := os.ReadFile(filepath.Join(root, "deploy", "nginx", from))
		if err != nil {
			return "", err
		}
		files[name] = []byte(here.Replace(string(text)))
	}
	for _, dir := range []string{"conf", "tls", "acme"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, dir), 0o755); err != nil { //nolint:gosec // nginx's workers are others
			return "", err
		}
	}
	return program, s.write(files)
}

func (s *Server) write(files map[string][]byte) (err error) {
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.Dir, "conf", name), text, 0o600))
	}
	// As root, nginx's workers are another user, who needs the temporary folders.
	return errors.Join(err, os.Chmod(s.Dir, 0o755)) //nolint:gosec // see above
}

func upstream(gateways []string) string {
	var servers strings.Builder
	for _, g := range gateways {
		fmt.Fprintf(&servers, "    server %s max_fails=1 fail_timeout=3s;\n", g)
	}
	return "upstream gateway {\n    zone gateway 256k;\n    least_conn;\n" + servers.String() + "    keepalive 64;\n}\n"
}

func freePorts() (one, two string, err error) {
	var free [2]string
	for i := range free {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		free[i] = l.Addr().String()
	}
	return free[0], free[1], nil
}
