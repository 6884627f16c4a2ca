package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// lifetime is that of the authority's certificates: ten years.
const lifetime = 10 * 365 * 24 * time.Hour

// Authority is what all identities of a platform come from. Sentry signs certificates with it, and recognises each
// process by a token of it.
type Authority struct {
	Anchors   []byte `json:"anchors"`   // the root's certificate, PEM; every process verifies by it
	Issuer    []byte `json:"issuer"`    // the certificate that sentry signs with, PEM
	IssuerKey []byte `json:"issuerKey"` // its key, PEM
	TokenKey  []byte `json:"tokenKey"`  // the key of tokens, PEM; no running process needs it
}

// NewAuthority makes an authority. The root signs its one issuer and its key is forgotten: there is no other issuer.
func NewAuthority() (Authority, error) {
	root, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	issuer, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, tokens, err3 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Authority{}, err
	}
	rootTemplate, issuerTemplate := certificate(trustDomain), certificate(spiffe(trustDomain, Sentry))
	issuerTemplate.MaxPathLenZero = true // it signs no further authority
	var a Authority
	if a.Anchors, err1 = sign(rootTemplate, rootTemplate, root.Public(), root); err1 != nil {
		return a, err1
	}
	if a.Issuer, err1 = sign(issuerTemplate, rootTemplate, issuer.Public(), root); err1 != nil {
		return a, err1
	}
	a.IssuerKey, err1 = encodeKey(issuer)
	a.TokenKey, err2 = encodeKey(tokens)
	return a, errors.Join(err1, err2)
}

func certificate(organization string) *x509.Certificate {
	now := time.Now().UTC()
	return &x509.Certificate{
		SerialNumber: serial(), NotBefore: now.Add(-time.Minute), NotAfter: now.Add(lifetime),
		Subject:  pkix.Name{Organization: []string{organization}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
}

func serial() *big.Int {
	bytes := make([]byte, 16)
	_, _ = rand.Read(bytes) // never fails
	return new(big.Int).SetBytes(bytes)
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// issuer is the parsed certificate of the issuer.
func (a Authority) issuer() (*x509.Certificate, error) {
	block, _ := pem.Decode(a.Issuer)
	if block == nil {
		return nil, errors.New("the certificate of the authority is not PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// Expires is when the authority's certificates expire.
func (a Authority) Expires() (time.Time, error) {
	cert, err := a.issuer()
	if err != nil {
		return time.Time{}, err
	}
	return cert.NotAfter, nil
}

func (a Authority) tokenKey() (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(a.TokenKey)
	if block == nil {
		return nil, errors.New("the key of tokens is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of tokens is a %T", key)
	}
	return private, nil
}

// Keys is the key set by which sentry verifies tokens, a JWKS.
func (a Authority) Keys() ([]byte, error) {
	key, err := a.tokenKey()
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": keyID,
		"x": base64.RawURLEncoding.EncodeToString(key.Public().(ed25519.PublicKey)),
	}}})
}

// Token is that of an app's sidecar, of Placement or of Scheduler. It is always the same, and ends with the authority.
func (a Authority) Token(name string) (string, error) {
	key, err := a.tokenKey()
	if err != nil {
		return "", err
	}
	cert, err := a.issuer()
	if err != nil {
		return "", err
	}
	domain := appDomain
	if name == Placement || name == Scheduler {
		domain = trustDomain
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"sub": spiffe(domain, name), "aud": spiffe(trustDomain, Sentry), "iat": cert.NotBefore.Unix(),
	})
	token.Header["kid"] = keyID
	return token.SignedString(key)
}

func spiffe(domain, name string) string {
	return "spiffe://" + domain + "/ns/" + Namespace + "/" + name
}
