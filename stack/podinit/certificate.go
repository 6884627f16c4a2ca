package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/secret"
)

// certificateWord makes a certificate of an own authority for nginx, to try docker-compose.ssl.yml. It replaces none.
func certificateWord(_ context.Context, args []string) (int, error) {
	var dir string
	hosts, err := options("certificate", args, -1, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", "secrets/nginx", "folder of certificate.pem and key.pem")
	})
	if err != nil {
		return 0, err
	}
	path := filepath.Join(dir, "certificate.pem")
	if _, err := os.Stat(path); err == nil {
		return 0, fmt.Errorf("%s exists and is not replaced", path)
	}
	servers, err := identity.NewServers(hosts[0])
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nginx is another user; secrets/ around it is the owner's
		return 0, err
	}
	pair := servers.Each[hosts[0]]
	for name, text := range map[string][]byte{
		"key.pem": pair.Key, "certificate.pem": append(pair.Certificate, servers.CA...), "ca.pem": servers.CA,
	} {
		if err := secret.WriteFileMode(filepath.Join(dir, name), text, 0o444); err != nil {
			return 0, err
		}
	}
	fmt.Printf("%s is for %s and localhost; clients that trust %s accept it\n", path, hosts[0], filepath.Join(dir, "ca.pem"))
	return 0, nil
}
