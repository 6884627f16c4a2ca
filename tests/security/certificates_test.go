package security_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// message is a message of Dapr's protocols: its fields by number. It replaces the generated code of the protocols.
type message map[protowire.Number]any

// bytesCodec encodes messages, and decodes their first level.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("%T is not a message", v)
	}
	var b []byte
	for number, value := range m {
		switch value := value.(type) {
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), value)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(value)) //nolint:gosec // small and positive
		case message:
			inner, err := bytesCodec{}.Marshal(value)
			if err != nil {
				return nil, err
			}
			b = protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), inner)
		default:
			return nil, fmt.Errorf("unsupported field type %T", value)
		}
	}
	return b, nil
}

func (bytesCodec) Unmarshal(b []byte, v any) error {
	into, ok := v.(*message)
	if !ok {
		return fmt.Errorf("%T is not a message", v)
	}
	*into = message{}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return protowire.ParseError(n)
		}
		if kind == protowire.BytesType {
			(*into)[number], _ = protowire.ConsumeBytes(b)
		}
		b = b[n:]
	}
	return nil
}

// internalPorts are the ports at which sidecars, placement and the scheduler call one another.
func internalPorts() map[string]int {
	ports := map[string]int{"placement": running.Port("placement", "grpc"), "scheduler": running.Port("scheduler", "grpc")}
	for _, app := range allApps {
		ports[app] = running.Port(app+"-dapr", "internal")
	}
	return ports
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// handshake connects with TLS and reads. It returns the server's certificate and the error of the read: with TLS 1.3, a
// server refuses a client certificate only after the handshake.
func handshake(t *testing.T, port int, own ...tls.Certificate) (shown *x509.Certificate, err error) {
	t.Helper()
	conn, err := tls.Dial("tcp", address(port), &tls.Config{
		InsecureSkipVerify: true, Certificates: own, NextProtos: []string{"h2"}, //nolint:gosec // as an attacker
	})
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // a test's end
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	shown = conn.ConnectionState().PeerCertificates[0]
	_, err = conn.Read(make([]byte, 1))
	return shown, err
}

// selfSigned returns a self-signed certificate with the gateway's name.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	name := &url.URL{Scheme: "spiffe", Host: "public", Path: "/ns/default/gateway"}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{name}, KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestInternalPortsRequireACertificate connects to every internal port of the sidecars: without TLS, without a
// certificate, and with a self-signed one.
func TestInternalPortsRequireACertificate(t *testing.T) {
	t.Parallel()
	for name, port := range internalPorts() {
		plain, err := grpc.NewClient(address(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = plain.Invoke(ctx, "/dapr.proto.internals.v1.ServiceInvocation/CallLocal", message{}, &message{},
			grpc.ForceCodec(bytesCodec{}))
		cancel()
		if code := status.Code(err); code != codes.Unavailable {
			t.Errorf("%s without TLS: %v", name, err)
		}
		must(t, plain.Close())
		for what, own := range map[string][]tls.Certificate{
			"without a certificate": nil, "with a self-signed certificate": {selfSigned(t)},
		} {
			shown, err := handshake(t, port, own...)
			var alert tls.AlertError
			if !errors.As(err, &alert) && (err == nil || !strings.Contains(err.Error(), "remote error: tls: ")) {
				t.Errorf("%s accepts a client %s: %v", name, what, err)
			}
			if shown == nil {
				continue
			}
			if life := shown.NotAfter.Sub(shown.NotBefore); life > 2*time.Hour {
				t.Errorf("the certificate of %s is valid for %s", name, life)
			}
			id := shown.URIs[0].String()
			if !strings.HasSuffix(id, "/ns/default/"+name) && !strings.HasSuffix(id, "/ns/default/dapr-"+name) {
				t.Errorf("the certificate of %s has the name %s", name, id)
			}
		}
	}
}

// signCertificate requests a certificate for a name from Sentry, with a token and the number of its validator (see
// sentry.proto).
func signCertificate(t *testing.T, name, token string, validator int) (tls.Certificate, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	conn, err := grpc.NewClient(address(running.Port("sentry", "grpc")),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}))) //nolint:gosec // as an attacker
	must(t, err)
	defer conn.Close() //nolint:errcheck // a test's end
	request := message{
		1: name, 2: token, 4: "default", 6: validator,
		5: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
	}
	var response message
	err = conn.Invoke(t.Context(), "/dapr.proto.sentry.v1.CA/SignCertificate", request, &response,
		grpc.ForceCodec(bytesCodec{}))
	if err != nil {
		return tls.Certificate{}, err
	}
	chain, _ := response[1].([]byte)
	certificate := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		certificate.Certificate = append(certificate.Certificate, block.Bytes)
	}
	return certificate, nil
}

// identity returns the token that an app's sidecar sends to Sentry.
func identity(t *testing.T, app string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(running.Dir, "identities", app+".jwt"))
	must(t, err)
	return string(text)
}

// TestSentryChecksIdentities: Sentry signs a certificate for a name only with the token of that name.
func TestSentryChecksIdentities(t *testing.T) {
	t.Parallel()
	part := strings.Split(identity(t, "orders"), ".")
	none := "eyJhbGciOiJub25lIn0." + strings.Split(identity(t, "gateway"), ".")[1] + "."
	for what, attempt := range map[string]struct {
		name, token string
		validator   int
	}{
		"no token":                          {"gateway", "", 0},
		"no token, the validator insecure":  {"gateway", "", 1},
		"no token, the validator jwks":      {"gateway", "", 3},
		"the token of another app":          {"gateway", identity(t, "orders"), 3},
		"alg none":                          {"gateway", none, 3},
		"a signature under another payload": {"gateway", part[0] + "." + strings.Split(none, ".")[1] + "." + part[2], 3},
		"sentry's own name":                 {"dapr-sentry", identity(t, "orders"), 3},
	} {
		_, err := signCertificate(t, attempt.name, attempt.token, attempt.validator)
		if code := status.Code(err); code != codes.PermissionDenied && code != codes.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := signCertificate(t, "orders", identity(t, "orders"), 3); err != nil {
		t.Errorf("its own name with its own token: %v", err)
	}
}

// TestACertificateIsNotEnough calls products with the certificate of notifications' sidecar: the access list of
// products applies to the name in the certificate.
func TestACertificateIsNotEnough(t *testing.T) {
	t.Parallel()
	own, err := signCertificate(t, "notifications", identity(t, "notifications"), 3)
	must(t, err)
	conn, err := grpc.NewClient(address(running.Port("products-dapr", "internal")),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{own}, //nolint:gosec // as an attacker
		})))
	must(t, err)
	defer conn.Close()                       //nolint:errcheck // a test's end
	for _, verb := range []int{0, 1, 3, 4} { // none, GET, POST, PUT
		// The header that claims another caller is ignored.
		request := message{1: 1, 2: message{1: "dapr-caller-app-id", 2: message{1: "orders"}},
			3: message{1: "reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", 3: "application/json", 4: message{1: verb}}}
		err := conn.Invoke(t.Context(), "/dapr.proto.internals.v1.ServiceInvocation/CallLocal", request, &message{},
			grpc.ForceCodec(bytesCodec{}))
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("verb %d: %v", verb, err)
		}
	}
}

// TestListenersAreOnTheLoopback: other machines can reach no port of the platform, except three health ports, which
// respond "ok".
func TestListenersAreOnTheLoopback(t *testing.T) {
	t.Parallel()
	addresses, err := net.InterfaceAddrs()
	must(t, err)
	state, err := running.State()
	must(t, err)
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		for _, p := range state.Processes {
			for purpose, port := range p.Ports {
				if purpose == "health" {
					continue
				}
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.IP.String(), fmt.Sprint(port)), time.Second)
				if err == nil {
					conn.Close() //nolint:errcheck,gosec // a test's end
					t.Errorf("%s listens on all interfaces at port %d (%s)", p.Name, port, purpose)
				}
			}
		}
	}
}
