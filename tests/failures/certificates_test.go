package failures_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sidecart/tests/platform"
)

// renewed: a sidecar fetches its next certificate before the current one expires, also if sentry was restarted, and
// stays reachable. The certificates are valid for seconds here instead of an hour.
func renewed(t *testing.T) {
	lifetime(t, "20s", "1s")
	t.Cleanup(func() { lifetime(t, "1h", "1m") })
	first := certificate(t)
	if life := first.NotAfter.Sub(first.NotBefore); life > 30*time.Second {
		t.Fatalf("the certificate is valid for %s", life)
	}
	running.KillAndWait(t, "sentry")
	platform.Eventually(t, 60*time.Second, func() error {
		if err := buyer.Call(t.Context(), "GET /api/v1/notifications", nil, 200, nil); err != nil {
			return err
		}
		now := certificate(t)
		if time.Now().Before(first.NotAfter.Add(time.Second)) || now.NotAfter.Before(time.Now()) {
			return fmt.Errorf("the first is valid until %s, this one until %s", first.NotAfter, now.NotAfter)
		}
		return nil
	})
	if running.Restarts("notifications-dapr") == 0 {
		t.Error("the sidecar never got a short certificate")
	}
}

// lifetime sets the validity of sentry's certificates and restarts the sidecar of notifications with a new one.
func lifetime(t *testing.T, ttl, skew string) {
	t.Helper()
	path := filepath.Join(running.Dir, "dapr", "sentry.yaml")
	text, err := os.ReadFile(path)
	must(t, err)
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		for key, value := range map[string]string{"workloadCertTTL: ": ttl, "allowedClockSkew: ": skew} {
			if before, _, ok := strings.Cut(line, key); ok && strings.TrimSpace(before) == "" {
				lines[i] = before + key + value
			}
		}
	}
	back := running.StopUntil(t, "sentry")
	must(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600))
	back()
	running.KillAndWait(t, "notifications-dapr")
	platform.Eventually(t, 30*time.Second, func() error {
		return buyer.Call(context.WithoutCancel(t.Context()), "GET /api/v1/notifications", nil, 200, nil) // also in the cleanup
	})
}

// certificate is that of the sidecar of notifications.
func certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	at := fmt.Sprintf("127.0.0.1:%d", running.Port("notifications-dapr", "internal"))
	conn, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only its dates are read
	must(t, err)
	defer conn.Close() //nolint:errcheck // the test ends
	return conn.ConnectionState().PeerCertificates[0]
}
