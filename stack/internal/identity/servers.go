package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"time"
)

// Servers are the certificates by which clients know Postgres and Redis in a composition. Their authority is not that
// of sidecars: no process has its key, so that no container can make another certificate.
type Servers struct {
	CA   []byte             // the authority's certificate, PEM
	Each map[string]KeyPair // by host name
}

// KeyPair is a certificate and its key, PEM.
type KeyPair struct{ Certificate, Key []byte }

// NewServers makes a certificate for each host name. The authority's key is forgotten.
func NewServers(hosts ...string) (Servers, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Servers{}, err
	}
	s, ca := Servers{Each: map[string]KeyPair{}}, certificate("sidecart servers")
	ca.MaxPathLenZero = true
	if s.CA, err = sign(ca, ca, key.Public(), key); err != nil {
		return s, err
	}
	for _, host := range hosts {
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return s, err
		}
		var pair KeyPair
		var err1, err2 error
		pair.Certificate, err1 = sign(serverCertificate(host), ca, own.Public(), key)
		pair.Key, err2 = encodeKey(own)
		if err := errors.Join(err1, err2); err != nil {
			return s, err
		}
		s.Each[host] = pair
	}
	return s, nil
}

// serverCertificate is for a host, and for localhost: a health check connects there.
func serverCertificate(host string) *x509.Certificate {
	now := time.Now().UTC()
	return &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(lifetime),
		Subject: pkix.Name{CommonName: host}, DNSNames: []string{host, "localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}
