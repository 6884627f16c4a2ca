package nginx_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"golang.org/x/crypto/acme"

	"sidecart/tests/nginx"
	"sidecart/tests/platform"
)

// newPebble is Let's Encrypt's ACME server for tests. It requests the file of the challenge at a port of this machine.
func newPebble(t *testing.T, port string) *httptest.Server {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	number, err := strconv.Atoi(port)
	must(t, err)
	logger, store := log.New(io.Discard, "", 0), db.NewMemoryStore()
	authority := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	validation := va.New(logger, number, number, false, "", store)
	front := wfe.New(logger, store, validation, authority, []string{"pebble.letsencrypt.org"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	return server
}

// TestACME gets a certificate by the HTTP challenge, whose file nginx serves, and nginx uses it after a reload.
func TestACME(t *testing.T) {
	certificate, key := selfSigned(t)
	server := start(t, nginx.Options{Gateways: []string{newGateway(t, nil).addr()}, Certificate: certificate, Key: key})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	must(t, err)
	pebble := newPebble(t, port)
	account, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	client := &acme.Client{Key: account, HTTPClient: pebble.Client(), DirectoryURL: pebble.URL + wfe.DirectoryPath}
	_, err = client.Register(t.Context(), &acme.Account{}, acme.AcceptTOS)
	must(t, err)
	order, err := client.AuthorizeOrder(t.Context(), acme.IPIDs("127.0.0.1"))
	must(t, err)
	webroot := filepath.Join(server.Dir, "acme", ".well-known", "acme-challenge")
	must(t, os.MkdirAll(webroot, 0o755))
	for _, url := range order.AuthzURLs {
		authorize(t, client, url, webroot)
	}
	uri := order.URI
	order, err = client.WaitOrder(t.Context(), uri)
	must(t, err)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, private)
	must(t, err)
	chain, _, err := client.CreateOrderCert(t.Context(), order.FinalizeURL, request, true)
	if err != nil { // pebble's response to it lacks the order's location, which this client needs to wait (pebble 2.10.3)
		order, err = client.WaitOrder(t.Context(), uri)
		must(t, err)
		chain, err = client.FetchCert(t.Context(), order.CertURL, true)
		must(t, err)
	}
	install(t, server, chain, private)
	pool := x509.NewCertPool()
	issuer, err := x509.ParseCertificate(chain[len(chain)-1])
	must(t, err)
	pool.AddCert(issuer)
	platform.Eventually(t, 10*time.Second, func() error {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}}).
			DialContext(t.Context(), "tcp", strings.Replace(strings.TrimPrefix(server.TLS, "https://"), "localhost", "127.0.0.1", 1))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// authorize puts the file of an HTTP challenge into the webroot, and waits until the server has seen it.
func authorize(t *testing.T, client *acme.Client, url, webroot string) {
	t.Helper()
	authorization, err := client.GetAuthorization(t.Context(), url)
	must(t, err)
	for _, challenge := range authorization.Challenges {
		if challenge.Type != "http-01" {
			continue
		}
		text, err := client.HTTP01ChallengeResponse(challenge.Token)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(webroot, challenge.Token), []byte(text), 0o600))
		_, err = client.Accept(t.Context(), challenge)
		must(t, err)
		_, err = client.WaitAuthorization(t.Context(), authorization.URI)
		must(t, err)
		return
	}
	t.Fatal(errors.New("no HTTP challenge"))
}

// install replaces nginx's certificate.
func install(t *testing.T, server *nginx.Server, chain [][]byte, private *ecdsa.PrivateKey) {
	t.Helper()
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(server.Dir, "tls", "certificate.pem"), text, 0o600))
	must(t, os.WriteFile(filepath.Join(server.Dir, "tls", "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	must(t, server.Reload())
}
