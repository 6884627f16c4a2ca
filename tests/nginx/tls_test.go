package nginx_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sidecart/tests/nginx"
)

// selfSigned is a certificate for localhost with its key, as PEM texts.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// trusting is a client that trusts one certificate, and speaks one version of TLS.
func trusting(t *testing.T, certificate []byte, version uint16) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(certificate) {
		t.Fatal("no certificate")
	}
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: version, MaxVersion: version}, //nolint:gosec // old versions must fail
	}}
}

// TestTLS: 1.2 and newer, HSTS, and every path of the other port leads here.
func TestTLS(t *testing.T) {
	certificate, key := selfSigned(t)
	server := start(t, nginx.Options{Gateways: []string{newGateway(t, nil).addr()}, Certificate: certificate, Key: key})
	for version, works := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		for _, path := range []string{"/api/v1/products", "/metrics"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.TLS+path, nil)
			must(t, err)
			res, err := trusting(t, certificate, version).Do(req)
			if (err == nil) != works {
				t.Errorf("TLS %x: %v", version, err)
			}
			if err != nil {
				continue
			}
			must(t, res.Body.Close())
			if got := res.Header.Get("Strict-Transport-Security"); got != "max-age=31536000" {
				t.Errorf("%s: Strict-Transport-Security is %q", path, got)
			}
		}
	}
	for _, method := range []string{"GET", "POST"} {
		res, _ := send(t, method, server.URL+"/api/v1/orders?limit=3")
		if want := "https://127.0.0.1/api/v1/orders?limit=3"; res.StatusCode != http.StatusPermanentRedirect || res.Header.Get("Location") != want {
			t.Errorf("%s without TLS: %d to %q, want %q", method, res.StatusCode, res.Header.Get("Location"), want)
		}
		if res.Header.Get("Strict-Transport-Security") != "" {
			t.Error("HSTS without TLS")
		}
	}
}

// TestACMEWebroot: the files of the challenge are served without TLS, and nothing beside them.
func TestACMEWebroot(t *testing.T) {
	certificate, key := selfSigned(t)
	server := start(t, nginx.Options{Gateways: []string{newGateway(t, nil).addr()}, Certificate: certificate, Key: key})
	dir := filepath.Join(server.Dir, "acme", ".well-known", "acme-challenge")
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "token-1"), []byte("token-1.key"), 0o600))
	res, body := get(t, server.URL+"/.well-known/acme-challenge/token-1")
	if res.StatusCode != http.StatusOK || body != "token-1.key" || res.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%d %v %q", res.StatusCode, res.Header, body)
	}
	for _, path := range []string{"token-2", "../../../conf/nginx.conf", "..%2f..%2f..%2fconf/nginx.conf", ""} {
		res, body := raw(t, server, "GET /.well-known/acme-challenge/"+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if res.StatusCode == http.StatusOK || strings.Contains(body, "worker") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}
