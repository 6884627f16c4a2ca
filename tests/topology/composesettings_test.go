package topology

import (
	"slices"
	"strings"
	"testing"
)

// topology are variables that a composition sets itself, because they follow from it.
var fromTopology = []string{
	"HOST", "APP_PORT", "APP_API_TOKEN", "APP_API_TOKEN_FILE", "DAPR_API_TOKEN", "DAPR_API_TOKEN_FILE", "DAPR_HTTP_PORT",
	"DAPR_GRPC_PORT", "REDIS_ADDR", "REDIS_TLS", "METRICS_HOST", "METRICS_PORT",
	"DAPR_HOST_IP", "DAPR_RUNTIME_PATH", "DAPR_TRUST_ANCHORS", "DAPR_SENTRY_TOKEN_FILE", "NAMESPACE",
}

// TestComposeTakesEverySetting: whatever a service or its sidecar reads may be set in .env or the environment.
func TestComposeTakesEverySetting(t *testing.T) {
	var env []string
	readers := map[string][]string{}
	for name, row := range documented(t) {
		if slices.Contains(fromTopology, name) || strings.Contains(row.reader, "(its program") {
			continue
		}
		others, every := strings.CutPrefix(row.reader, "every service")
		for _, id := range ids(t) {
			if every && !strings.Contains(others, "but the "+id) || !every && strings.Contains(row.reader, id) {
				readers[name] = append(readers[name], id)
			}
			if strings.Contains(row.reader, "sidecars") {
				readers[name] = append(readers[name], id+"-dapr")
			}
		}
		env = append(env, name+"=value-of-"+name)
	}
	if len(readers) < 30 || len(readers["PUBLIC_URL"]) != 2 || len(readers["PAYMENT_PROVIDER"]) != 1 {
		t.Fatalf("only the settings %v were found", readers)
	}
	for _, file := range composeFiles {
		p := compose(t, file, env...)
		for name, containers := range readers {
			for _, container := range containers {
				if got := value(service(t, p, container), name); !strings.HasPrefix(got, "value-of-"+name) {
					t.Errorf("%s: %s is given %s=%q: it cannot be set", file, container, name, got)
				}
			}
		}
	}
}

// TestComposeHasNoSecretInEnvironments: a listing of containers shows none.
func TestComposeHasNoSecretInEnvironments(t *testing.T) {
	var env []string
	for _, name := range []string{
		"DB_PASSWORD", "JWT_SECRET_KEY", "EMAIL_PASSWORD", "SMTP_PASSWORD", "STRIPE_API_KEY", "STRIPE_WEBHOOK_KEY", "APP_API_TOKEN", "DAPR_API_TOKEN",
	} {
		env = append(env, name+"=so-secret-"+name)
	}
	for _, file := range composeFiles {
		text, err := compose(t, file, env...).MarshalYAML()
		if err != nil {
			t.Fatal(err)
		}
		if at := strings.Index(string(text), "so-secret-"); at >= 0 {
			t.Errorf("%s has a secret: %.60s", file, text[max(0, at-20):])
		}
	}
}

// TestComposeSecretsOfOneContainer: no container has the secrets of another, but the one that makes them.
func TestComposeSecretsOfOneContainer(t *testing.T) {
	for _, file := range composeFiles {
		for name, s := range compose(t, file).Services {
			for _, v := range s.Volumes {
				owner, ok := strings.CutSuffix(v.Source, "-secrets")
				if ok && name != "secrets" && (owner != strings.TrimSuffix(name, "-dapr") || !v.ReadOnly) {
					t.Errorf("%s: %s mounts %s", file, name, v.Source)
				}
			}
		}
	}
}

// TestComposePostgresEndsDeadSessions: when a container's network ends suddenly, no session keeps its locks.
func TestComposePostgresEndsDeadSessions(t *testing.T) {
	for _, file := range composeFiles {
		command := strings.Join(service(t, compose(t, file), "postgres").Command, " ")
		for _, option := range []string{
			"tcp_keepalives_idle=", "tcp_keepalives_interval=", "tcp_keepalives_count=", "idle_in_transaction_session_timeout=",
		} {
			if !strings.Contains(command, "-c "+option) {
				t.Errorf("%s: postgres has no %s", file, option)
			}
		}
	}
}

// TestSentryWantsTokens: without a validator it would sign any name for any client.
func TestSentryWantsTokens(t *testing.T) {
	var sentry struct {
		Spec struct {
			MTLS struct {
				Validators []struct {
					Name    string
					Options struct{ Source string }
				} `yaml:"tokenValidators"`
			} `yaml:"mtls"`
		}
	}
	parse(t, "components/compose/sentry.yaml", &sentry)
	if v := sentry.Spec.MTLS.Validators; len(v) != 1 || v[0].Name != "jwks" || v[0].Options.Source != "/run/sidecart/keys.json" {
		t.Errorf("components/compose/sentry.yaml has the validators %+v", v)
	}
}
