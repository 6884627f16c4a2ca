package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certificate is what the authority signs for a part of the cluster.
type certificate struct {
	file         string
	name         string
	organization string
	server       bool
	names        []string
	addresses    []string
	kubeconfig   bool // with a file by which the part reaches the API server
}

var certificates = []certificate{
	{
		file: "apiserver", name: "kube-apiserver", server: true,
		names: []string{
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost",
			nodeName,
		},
		addresses: []string{apiService, NodeAddress, "127.0.0.1"},
	},
	{file: "kubelet-client", name: "apiserver-kubelet-client", organization: "system:masters"},
	{file: "admin", name: "admin", organization: "system:masters", kubeconfig: true},
	{file: "controller-manager", name: "system:kube-controller-manager", kubeconfig: true},
	{file: "scheduler", name: "system:kube-scheduler", kubeconfig: true},
	{file: "proxy", name: "system:kube-proxy", kubeconfig: true},
	{
		file: "kubelet", name: "system:node:" + nodeName, organization: "system:nodes", server: true, kubeconfig: true,
		names: []string{nodeName}, addresses: []string{NodeAddress},
	},
}

// authority signs the certificates of one run of the cluster.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// writeCertificates makes an authority, what it signs, and the keys of service account tokens.
func writeCertificates(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	a := authority{dir: dir}
	if err := a.create(); err != nil {
		return err
	}
	for serial, c := range certificates {
		if err := a.sign(c, int64(serial+2)); err != nil {
			return err
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(a.writeKey("sa", key), a.write("sa.pub", "PUBLIC KEY", public))
}

func template(name, organization string, serial int64) *x509.Certificate {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if organization != "" {
		t.Subject.Organization = []string{organization}
	}
	return t
}

func (a *authority) create() (err error) {
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	t := template("kubernetes-ca", "", 1)
	t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign|x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, a.key.Public(), a.key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return errors.Join(a.write("ca.crt", "CERTIFICATE", der), a.writeKey("ca", a.key))
}

func (a *authority) sign(c certificate, serial int64) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := template(c.name, c.organization, serial)
	t.DNSNames, t.ExtKeyUsage = c.names, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if c.server {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, address := range c.addresses {
		t.IPAddresses = append(t.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	err = errors.Join(a.write(c.file+".crt", "CERTIFICATE", der), a.writeKey(c.file, key))
	if err != nil || !c.kubeconfig {
		return err
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: sidecart, cluster: {server: "https://%s:6443", certificate-authority: %s/ca.crt}}]
users: [{name: user, user: {client-certificate: %[2]s/%[3]s.crt, client-key: %[2]s/%[3]s.key}}]
contexts: [{name: sidecart, context: {cluster: sidecart, user: user}}]
current-context: sidecart
`, NodeAddress, a.dir, c.file)
	return os.WriteFile(filepath.Join(a.dir, c.file+".kubeconfig"), []byte(text), 0o600)
}

func (a *authority) writeKey(name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return a.write(name+".key", "PRIVATE KEY", der)
}

func (a *authority) write(name, kind string, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return os.WriteFile(filepath.Join(a.dir, name), text, 0o600)
}
