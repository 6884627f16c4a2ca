package identity_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"sidecart/stack/internal/identity"
)

// TestServers: each server's certificate is for its own name and for localhost, and its key belongs to it.
func TestServers(t *testing.T) {
	servers, err := identity.NewServers("postgres", "redis")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(servers.CA) {
		t.Fatal("the authority is not PEM")
	}
	for host, other := range map[string]string{"postgres": "redis", "redis": "postgres"} {
		pair := servers.Each[host]
		if _, err := tls.X509KeyPair(pair.Certificate, pair.Key); err != nil {
			t.Error(err)
		}
		block, _ := pem.Decode(pair.Certificate)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for name, valid := range map[string]bool{host: true, "localhost": true, other: false, "sentry": false} {
			if _, err := cert.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); (err == nil) != valid {
				t.Errorf("%s as %s: %v", host, name, err)
			}
		}
	}
}
