// Package identity gives the processes of an instance the tokens by which Dapr's sentry recognises them. Sentry issues
// short-lived certificates, and signs a name only for the process that has the token of that name.
package identity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/secret"
)

// The parts of a certificate's name. Sidecars are spiffe://public/ns/default/<app id>, as in access lists; sentry,
// placement and scheduler are in the trust domain of this platform.
const (
	Namespace   = "default"
	trustDomain = "sidecart"
	appDomain   = "public" // Dapr's, for everything outside the control plane

	Sentry    = "dapr-sentry"
	Placement = "dapr-placement"
	Scheduler = "dapr-scheduler"

	keyID         = "stack"
	tokenVariable = "DAPR_SENTRY_TOKEN_FILE" //nolint:gosec // the name of a variable
)

// AuthorityDir is the folder of the certificate authority: its certificates and its key.
func AuthorityDir(i instance.Instance) string { return i.Path("certificates") }

// TrustAnchors is the file of the authority's certificate, by which processes verify one another.
func TrustAnchors(i instance.Instance) string { return filepath.Join(AuthorityDir(i), "ca.crt") }

// SentryArgs are the arguments of sentry.
func SentryArgs(i instance.Instance) []string {
	return []string{
		"--config", filepath.Join(filepath.Dir(i.Template()), "sentry.yaml"),
		"--issuer-credentials", AuthorityDir(i), "--trust-domain", trustDomain,
	}
}

// ControlPlaneArgs make placement or the scheduler accept only clients with a certificate.
func ControlPlaneArgs(i instance.Instance) []string {
	return []string{
		"--tls-enabled", "--trust-domain", trustDomain, "--trust-anchors-file", TrustAnchors(i),
		"--sentry-address", sentryAddress(i),
	}
}

// SidecarArgs make daprd accept only peers with a certificate.
func SidecarArgs(i instance.Instance) []string {
	return []string{"--enable-mtls", "--sentry-address", sentryAddress(i), "--control-plane-trust-domain", trustDomain}
}

// Env is the environment in which a process gets the certificate of its name.
func Env(i instance.Instance, name string) []string {
	return ProcessEnv(tokenFile(i, name))
}

// ProcessEnv is the environment in which a process shows sentry the token in a file.
func ProcessEnv(token string) []string {
	return []string{"NAMESPACE=" + Namespace, tokenVariable + "=" + token}
}

// TrustEnv is the part of a sidecar's environment that is the same for all. It fails without the
// authority.
func TrustEnv(i instance.Instance) ([]string, error) {
	anchors, err := os.ReadFile(TrustAnchors(i))
	return []string{"NAMESPACE=" + Namespace, "DAPR_TRUST_ANCHORS=" + string(anchors)}, err
}

// SidecarEnv is the environment of an app's sidecar. It fails without the authority.
func SidecarEnv(i instance.Instance, app string) ([]string, error) {
	env, err := TrustEnv(i)
	return append(env, tokenVariable+"="+tokenFile(i, app)), err
}

func sentryAddress(i instance.Instance) string {
	return fmt.Sprintf("127.0.0.1:%d", i.Port(instance.Sentry))
}

func tokenFile(i instance.Instance, name string) string { return i.Path("identities", name+".jwt") }

// Create creates a new authority for sentry, and a token for each app, placement and the scheduler. They are valid
// until the next call: the key of tokens is not stored, and every process gets a certificate at its start.
func Create(i instance.Instance, apps []string) error {
	for _, dir := range []string{AuthorityDir(i), i.Path("identities")} {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			return err
		}
	}
	authority, err := NewAuthority()
	if err != nil {
		return err
	}
	keys, err := authority.Keys()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		TrustAnchors(i): authority.Anchors, i.Path("identities", "keys.json"): keys,
		filepath.Join(AuthorityDir(i), "issuer.crt"): authority.Issuer,
		filepath.Join(AuthorityDir(i), "issuer.key"): authority.IssuerKey,
	}
	for _, name := range append([]string{Placement, Scheduler}, apps...) {
		token, err := authority.Token(name)
		if err != nil {
			return err
		}
		files[tokenFile(i, name)] = []byte(token)
	}
	for path, text := range files {
		if err := secret.WriteFile(path, text); err != nil {
			return err
		}
	}
	return nil
}
