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
	"slices"
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

// message is a message of Dapr's protocols: its fields by number. It is enough for attacks, and needs none of Dapr's code.
type message map[protowire.Number]any

// bytesCodec writes a message and reads its first level.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) ([]byte, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("%T is no message", v)
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
			return nil, fmt.Errorf("no field is a %T", value)
		}
	}
	return b, nil
}

func (bytesCodec) Unmarshal(b []byte, v any) error {
	into, ok := v.(*message)
	if !ok {
		return fmt.Errorf("%T is no message", v)
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

// internal are the ports at which sidecars, placement and the scheduler speak with one another.
func internal() map[string]int {
	ports := map[string]int{"placement": running.Port("placement", "grpc"), "scheduler": running.Port("scheduler", "grpc")}
	for _, app := range everyApp {
		ports[app] = running.Port(app+"-dapr", "internal")
	}
	return ports
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// handshake connects with TLS, reads, and gives what the other end showed and how it ended. An end that asks for a certificate
// says in TLS 1.3 only after the handshake that it does not like it.
func handshake(t *testing.T, port int, own ...tls.Certificate) (shown *x509.Certificate, err error) {
	t.Helper()
	conn, err := tls.Dial("tcp", address(port), &tls.Config{InsecureSkipVerify: true, Certificates: own, NextProtos: []string{"h2"}}) //nolint:gosec // an attacker is not choosy
	if err != nil {
		return nil, err
	}
	defer conn.Close() //nolint:errcheck // a test's end
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	shown = conn.ConnectionState().PeerCertificates[0]
	_, err = conn.Read(make([]byte, 1))
	return shown, err
}

// selfMade is a certificate of the gateway's name that nobody signed.
func selfMade(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	name := &url.URL{Scheme: "spiffe", Host: "public", Path: "/ns/default/gateway"}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestNobodyIsInsideWithoutACertificate knocks at every port that sidecars use among themselves: in clear, without a
// certificate, and with one that only looks right.
func TestNobodyIsInsideWithoutACertificate(t *testing.T) {
	t.Parallel()
	for name, port := range internal() {
		plain, err := grpc.NewClient(address(port), grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err = plain.Invoke(ctx, "/dapr.proto.internals.v1.ServiceInvocation/CallLocal", message{}, &message{}, grpc.ForceCodec(bytesCodec{}))
		cancel()
		if code := status.Code(err); code != codes.Unavailable {
			t.Errorf("%s answers in clear: %v", name, err)
		}
		must(t, plain.Close())
		for what, own := range map[string][]tls.Certificate{"without a certificate": nil, "with a certificate that nobody signed": {selfMade(t)}} {
			shown, err := handshake(t, port, own...)
			var alert tls.AlertError
			if !errors.As(err, &alert) && (err == nil || !strings.Contains(err.Error(), "remote error: tls: ")) {
				t.Errorf("%s speaks with somebody %s: %v", name, what, err)
			}
			if shown == nil {
				continue
			}
			if life := shown.NotAfter.Sub(shown.NotBefore); life > 2*time.Hour {
				t.Errorf("the certificate of %s is good for %s", name, life)
			}
			if id := shown.URIs[0].String(); !strings.HasSuffix(id, "/ns/default/"+name) && !strings.HasSuffix(id, "/ns/default/dapr-"+name) {
				t.Errorf("%s shows the name %s", name, id)
			}
		}
	}
}

// certify asks sentry for a certificate of a name, with a token, through the validator of that number (see sentry.proto).
func certify(t *testing.T, name, token string, validator int) (tls.Certificate, error) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	must(t, err)
	conn, err := grpc.NewClient(address(running.Port("sentry", "grpc")),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}))) //nolint:gosec // an attacker is not choosy
	must(t, err)
	defer conn.Close() //nolint:errcheck // a test's end
	request := message{1: name, 2: token, 4: "default", 5: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}), 6: validator}
	var answer message
	if err := conn.Invoke(t.Context(), "/dapr.proto.sentry.v1.CA/SignCertificate", request, &answer, grpc.ForceCodec(bytesCodec{})); err != nil {
		return tls.Certificate{}, err
	}
	chain, _ := answer[1].([]byte)
	made := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		made.Certificate = append(made.Certificate, block.Bytes)
	}
	return made, nil
}

// identity is the token that an app's sidecar shows sentry.
func identity(t *testing.T, app string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(running.Dir, "identities", app+".jwt"))
	must(t, err)
	return string(text)
}

// TestSentrySignsForNobodyElse: a certificate for a name is only for who has the token of that name.
func TestSentrySignsForNobodyElse(t *testing.T) {
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
		if _, err := certify(t, attempt.name, attempt.token, attempt.validator); !slices.Contains([]codes.Code{codes.PermissionDenied, codes.InvalidArgument}, status.Code(err)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := certify(t, "orders", identity(t, "orders"), 3); err != nil {
		t.Errorf("its own name with its own token: %v", err)
	}
}

// TestACertificateIsNotEnough calls products as notifications could that had taken its sidecar's certificate: the list of
// products holds for certificates, whoever uses them.
func TestACertificateIsNotEnough(t *testing.T) {
	t.Parallel()
	own, err := certify(t, "notifications", identity(t, "notifications"), 3)
	must(t, err)
	conn, err := grpc.NewClient(address(running.Port("products-dapr", "internal")),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{own}}))) //nolint:gosec // an attacker is not choosy
	must(t, err)
	defer conn.Close()                       //nolint:errcheck // a test's end
	for _, verb := range []int{0, 1, 3, 4} { // none, GET, POST, PUT
		// Who is asked for what: a claim to be another caller is not believed.
		ask := message{1: 1, 2: message{1: "dapr-caller-app-id", 2: message{1: "orders"}},
			3: message{1: "reservations/0192f0c1-2d3e-7abc-8def-0123456789ab", 3: "application/json", 4: message{1: verb}}}
		err := conn.Invoke(t.Context(), "/dapr.proto.internals.v1.ServiceInvocation/CallLocal", ask, &message{}, grpc.ForceCodec(bytesCodec{}))
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("verb %d: %v", verb, err)
		}
	}
}

// TestListenersAreOnTheLoopback: nothing of the platform can be reached from another machine, but for "ok" at three health ports.
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
					t.Errorf("%s listens for everybody at its port %d (%s)", p.Name, port, purpose)
				}
			}
		}
	}
}
