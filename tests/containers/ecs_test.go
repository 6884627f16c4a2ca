package containers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ecsApps are in the order of deployments: the gateway, which calls all others, is last.
var ecsApps = []string{"users", "products", "orders", "notifications", "gateway"}

// TestECS runs the tasks of deploy/ecs beside a Postgres and a Redis that are like AWS's: with TLS, and without a
// superuser. Then a buyer places a first order.
func TestECS(t *testing.T) {
	needsEngine(t)
	ctx := t.Context()
	e := newECS(t)
	for _, step := range []struct{ stack, resource, name string }{
		{"control-plane", "DatabaseTask", "database"}, {"control-plane", "SentryTask", "sentry"},
		{"control-plane", "PlacementTask", "placement"}, {"control-plane", "SchedulerTask", "scheduler"},
	} {
		if err := e.runTask(ctx, step.stack, step.resource, step.name); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for _, app := range ecsApps {
		ports := map[string][]string{"gateway": {"127.0.0.1::8000"}}[app]
		if err := e.runTask(ctx, app, "Task", app, ports...); err != nil {
			t.Fatal(err)
		}
		all = append(all, app)
	}
	t.Logf("healthy: %v", all)
	address, err := docker(ctx, "port", e.name+"-gateway", "8000")
	if err != nil {
		t.Fatal(err)
	}
	path := "PATH=" + os.Getenv("PATH") + ":" + filepath.Join(os.Getenv("GOROOT"), "bin")
	if _, err := run(ctx, "../..", nil, "env", path, "go", "run", "./tests/demo", "-url", "http://"+address); err != nil {
		t.Fatal("the first order: ", err)
	}
	e.checkSecretsOfServices(ctx, t)
}

// checkSecretsOfServices: a service's container has its two tokens and no other secret, and no secret is in an
// environment that stays.
func (e *ecs) checkSecretsOfServices(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, app := range ecsApps {
		for _, container := range []string{app, app + "-dapr"} {
			text, err := docker(ctx, "inspect", "--format", "{{json .Config.Env}} {{json .Config.Cmd}}", e.name+"-"+app+"-"+container)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "SECRETS=") || strings.Contains(text, "database-url") {
				t.Errorf("secrets are in the environment of %s", container)
			}
		}
		list, err := docker(ctx, "cp", e.name+"-"+app+"-"+app+":/run/sidecart/secrets.json", "-")
		if err == nil {
			t.Errorf("the service %s has the secrets of its sidecar: %d bytes", app, len(list))
		}
	}
}

// newECS makes the network, secrets, Postgres and Redis.
func newECS(t *testing.T) *ecs {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	e := &ecs{name: "ecs", image: ecsImage, secrets: map[string]string{}, roots: filepath.Join(dir, "roots.pem")}
	buildImages(ctx, t)
	t.Cleanup(func() { e.remove(t) })
	ca := makeCertificates(t, dir)
	if err := os.WriteFile(e.roots, ca, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"network", "create", e.name},
		{"run", "--rm", "--user", "0", "--env", "DB_ADDR=postgres.test:5432", "--env", "DB_SSLMODE=verify-full", "--env",
			"DB_SSLROOTCERT=/run/sidecart/postgres-ca.crt", "--volume", dir + ":/s", ecsImage("podinit"), "secrets", "-dir", "/s"},
		// The volume of an access point belongs to the user of its task.
		{"run", "--rm", "--volume", e.name + "-scheduler-data:/scheduler", ecsImage("podinit"), "copy", "/tmp"},
	} {
		if _, err := docker(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if e.stacks, err = readStacks("../../deploy/ecs", ecsApps, map[string]any{
		"sidecart-database-address": "postgres.test:5432", "sidecart-redis-address": "redis.test:6379",
	}); err != nil {
		t.Fatal(err)
	}
	e.fillSecrets(ctx, t, dir)
	e.startStores(ctx, t, dir)
	return e
}

func ecsImage(name string) string {
	if slices.Contains([]string{"sentry", "placement", "scheduler"}, name) {
		return "daprio/" + name + ":1.18.2"
	}
	return "sidecart/" + name + ":ecs"
}

// buildImages builds the images of all tasks; Dapr's own are there.
func buildImages(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, app := range ecsApps {
		if _, err := run(ctx, "../..", nil, "docker", "build", "--build-arg", "APP="+app, "--target", "pod", "--tag", ecsImage(app+"-pod"),
			"--file", "deploy/Dockerfile", "."); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := run(ctx, "../..", nil, "docker", "build", "--target", "podinit", "--tag", ecsImage("podinit"), "--file", "deploy/Dockerfile",
		"."); err != nil {
		t.Fatal(err)
	}
}

// fillSecrets does what docs/deploy.md says: packs the secrets of each container and puts them into the store.
func (e *ecs) fillSecrets(ctx context.Context, t *testing.T, dir string) {
	t.Helper()
	for export, arn := range e.stacks["base"].Exports {
		name, ok := strings.CutPrefix(export, "sidecart-secret-")
		if !ok {
			continue
		}
		text, err := docker(ctx, "run", "--rm", "--user", "0", "--volume", dir+":/s:ro", ecsImage("podinit"), "pack", "-dir", "/s",
			"-ca", "/s/roots.pem", name)
		if err != nil {
			t.Fatal(err)
		}
		e.secrets[fmt.Sprint(arn)] = text
	}
	e.secrets[fmt.Sprint(e.stacks["data"].Exports["sidecart-database-administrator"])] = `{"username": "administrator", "password": "of-the-cloud"}`
}

// startStores starts Postgres and Redis with TLS only. The administrator of Postgres may create roles and databases,
// and is no superuser.
func (e *ecs) startStores(ctx context.Context, t *testing.T, dir string) {
	t.Helper()
	var redis map[string]string
	if err := json.Unmarshal([]byte(e.secrets[fmt.Sprint(e.stacks["base"].Exports["sidecart-secret-redis"])]), &redis); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "--detach", "--name", e.name + "-postgres", "--network", e.name, "--network-alias", "postgres.test", "--volume", dir + ":/tls:ro",
			"--env", "POSTGRES_PASSWORD=superuser", "--entrypoint", "sh", "postgres:15-bookworm", "-c",
			"install -o postgres -m 600 /tls/server.key /tls/server.pem /etc/postgresql/ && " +
				"exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/etc/postgresql/server.pem -c ssl_key_file=/etc/postgresql/server.key"},
		{"run", "--detach", "--name", e.name + "-redis", "--network", e.name, "--network-alias", "redis.test", "--user", "0",
			"--volume", dir + ":/tls:ro", "--entrypoint", "redis-server", "redis:7-bookworm", "--port", "0", "--tls-port", "6379", "--tls-auth-clients", "no",
			"--tls-cert-file", "/tls/server.pem", "--tls-key-file", "/tls/server.key", "--requirepass", redis["password"], "--save", ""},
	} {
		e.started = append(e.started, args[3])
		if _, err := docker(ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := until(ctx, time.Minute, func() error {
		_, err := docker(ctx, "exec", e.name+"-postgres", "psql", "--host", "127.0.0.1", "--username", "postgres", "--dbname",
			"host=127.0.0.1 user=postgres password=superuser", "--command", "create role administrator login createdb createrole password 'of-the-cloud'")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// remove removes everything, and shows the ends of logs if the test failed.
func (e *ecs) remove(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, name := range slices.Backward(e.started) {
		if t.Failed() {
			logs, _ := docker(ctx, "logs", "--tail", "8", name)
			t.Logf("%s:\n%s", name, logs)
		}
		_, _ = docker(ctx, "rm", "--force", "--volumes", name) // it may not have been made
	}
	volumes, _ := docker(ctx, "volume", "ls", "--quiet", "--filter", "name="+e.name+"-")
	for volume := range strings.FieldsSeq(volumes) {
		if _, err := docker(ctx, "volume", "rm", volume); err != nil {
			t.Error(err)
		}
	}
	if _, err := docker(ctx, "network", "rm", e.name); err != nil {
		t.Error(err)
	}
}

// makeCertificates makes an authority and the certificate of both servers, as server.pem and server.key in dir.
func makeCertificates(t *testing.T, dir string) (ca []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a cloud"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"postgres.test", "redis.test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{"server.pem": ca, "server.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return ca
}
