package identity

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sidecart/stack/internal/place"
)

// leastLife is how long the authority must still be good for at a start. Sentry makes one for a year, and a platform that
// was started with it must not outlive it.
const leastLife = 30 * 24 * time.Hour

// files are what sentry makes at its first start, all of them or none.
var files = []string{"ca.crt", "issuer.crt", "issuer.key"}

// Prepare makes the folder of the authority. What is there and cannot be used any more is taken away, with a word about
// it, so that sentry makes a new one; that hurts nobody, because every sidecar gets its certificate anew at its start.
func Prepare(i place.Instance, now time.Time, say func(format string, args ...any)) error {
	if err := os.MkdirAll(Authority(i), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(Authority(i), 0o700); err != nil { //nolint:gosec // a folder
		return err
	}
	present := 0
	for _, name := range files {
		if err := os.Chmod(filepath.Join(Authority(i), name), 0o600); err == nil {
			present++
		}
	}
	if present == 0 {
		return nil
	}
	reason := usable(i, now)
	if reason == nil {
		return nil
	}
	say("the certificate authority in %s cannot be used (%s): making a new one", Authority(i), reason)
	for _, name := range files {
		if err := os.Remove(filepath.Join(Authority(i), name)); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// usable says why the authority is not.
func usable(i place.Instance, now time.Time) error {
	text := map[string][]byte{}
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(Authority(i), name))
		if os.IsNotExist(err) {
			return fmt.Errorf("%s is missing", name)
		}
		if err != nil {
			return err
		}
		text[name] = b
	}
	if _, err := tls.X509KeyPair(text["issuer.crt"], text["issuer.key"]); err != nil {
		return fmt.Errorf("issuer.key and issuer.crt: %w", err)
	}
	block, _ := pem.Decode(text["issuer.crt"])
	issuer, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("issuer.crt: %w", err)
	}
	anchors := x509.NewCertPool()
	if !anchors.AppendCertsFromPEM(text["ca.crt"]) {
		return errors.New("ca.crt holds no certificate")
	}
	options := x509.VerifyOptions{Roots: anchors, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if _, err := issuer.Verify(options); err != nil {
		return err
	}
	options.CurrentTime = now.Add(leastLife)
	if _, err := issuer.Verify(options); err != nil {
		return fmt.Errorf("it ends on %s", issuer.NotAfter.Format(time.DateOnly))
	}
	return nil
}
