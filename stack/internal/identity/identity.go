// Package identity is who is who among the sidecars of an instance. Dapr's sentry signs a short certificate for each of
// them; this package gives each process the token without which sentry refuses to sign for its name.
package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/secret"
)

// The names that certificates are made of. Sidecars are spiffe://public/ns/default/<app id>, which is what access lists
// call them; sentry, placement and scheduler have the domain of this platform.
const (
	Namespace   = "default"
	trustDomain = "sidecart"
	appDomain   = "public" // Dapr's, for whoever does not belong to its control plane

	Sentry    = "dapr-sentry"
	Placement = "dapr-placement"
	Scheduler = "dapr-scheduler"
)

// Authority is the folder of the authority's certificates and of its key.
func Authority(i instance.Instance) string { return i.Path("certificates") }

// Anchors is the file by which everybody knows a certificate of this platform.
func Anchors(i instance.Instance) string { return filepath.Join(Authority(i), "ca.crt") }

// SentryArgs are what sentry has to be told about itself.
func SentryArgs(i instance.Instance) []string {
	return []string{
		"--config", filepath.Join(filepath.Dir(i.Template()), "sentry.yaml"),
		"--issuer-credentials", Authority(i), "--trust-domain", trustDomain,
	}
}

// ControlPlaneArgs make placement or the scheduler speak only to those who have a certificate.
func ControlPlaneArgs(i instance.Instance) []string {
	return []string{
		"--tls-enabled", "--trust-domain", trustDomain, "--trust-anchors-file", Anchors(i), "--sentry-address", sentryAddress(i),
	}
}

// SidecarArgs are the arguments by which daprd speaks only to those who have a certificate.
func SidecarArgs(i instance.Instance) []string {
	return []string{"--enable-mtls", "--sentry-address", sentryAddress(i), "--control-plane-trust-domain", trustDomain}
}

// Env is what a process finds in its environment to get the certificate of its name.
func Env(i instance.Instance, name string) []string {
	return []string{"NAMESPACE=" + Namespace, tokenVariable + "=" + tokenFile(i, name)}
}

// AnchorsEnv is the part of a sidecar's environment that is the same for all. It fails before sentry has made the anchors.
func AnchorsEnv(i instance.Instance) ([]string, error) {
	anchors, err := os.ReadFile(Anchors(i))
	return []string{"NAMESPACE=" + Namespace, "DAPR_TRUST_ANCHORS=" + string(anchors)}, err
}

// SidecarEnv is the environment of an app's sidecar. It fails before sentry has made the anchors.
func SidecarEnv(i instance.Instance, app string) ([]string, error) {
	env, err := AnchorsEnv(i)
	return append(env, tokenVariable+"="+tokenFile(i, app)), err
}

const tokenVariable = "DAPR_SENTRY_TOKEN_FILE" //nolint:gosec // the name of a variable

func sentryAddress(i instance.Instance) string {
	return fmt.Sprintf("127.0.0.1:%d", i.Port(instance.Sentry))
}

func tokenFile(i instance.Instance, name string) string { return i.Path("identities", name+".jwt") }

// Admit makes a token for each app, and for placement and scheduler, with which sentry knows them, and the empty folder
// in which sentry makes the authority. All of it holds until the next Admit: the key that signed the tokens is kept
// nowhere, and every process gets its certificate anew at its start.
func Admit(i instance.Instance, apps []string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	for _, dir := range []string{Authority(i), i.Path("identities")} {
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
			return err
		}
	}
	keys := map[string]any{"keys": []any{map[string]string{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": keyID, "x": encode(public),
	}}}
	text, err := json.Marshal(keys)
	if err != nil {
		return err
	}
	if err := secret.WriteFile(i.Path("identities", "keys.json"), text); err != nil {
		return err
	}
	subjects := map[string]string{Placement: trustDomain, Scheduler: trustDomain}
	for _, app := range apps {
		subjects[app] = appDomain
	}
	for name, domain := range subjects {
		token, err := sign(private, spiffe(domain, name))
		if err != nil {
			return err
		}
		if err := secret.WriteFile(tokenFile(i, name), []byte(token)); err != nil {
			return err
		}
	}
	return nil
}

const keyID = "stack"

// sign makes the JWT that sentry's validator wants: who somebody is, for sentry alone.
func sign(key ed25519.PrivateKey, subject string) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{"sub": subject, "aud": spiffe(trustDomain, Sentry), "iat": time.Now().Unix()})
	if err != nil {
		return "", err
	}
	text := encode(header) + "." + encode(claims)
	return text + "." + encode(ed25519.Sign(key, []byte(text))), nil
}

func spiffe(domain, name string) string {
	return "spiffe://" + domain + "/ns/" + Namespace + "/" + name
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
