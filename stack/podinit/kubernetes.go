package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/settings"
)

// masterSecret has all secrets of the platform in a cluster, for the next run of this program; no pod mounts it.
const masterSecret, masterKey = "sidecart", "secrets.json"

// cluster is the API of Kubernetes, for the secrets of this pod's namespace.
type cluster struct {
	url, token string // url is that of the namespace's secrets
	client     *http.Client
}

func kubernetesWord(ctx context.Context, args []string) (int, error) {
	var server, account string
	_, err := options("kubernetes", args, 0, func(f *flag.FlagSet) {
		f.StringVar(&server, "server", "https://kubernetes.default.svc", "the API of the cluster")
		f.StringVar(&account, "account", "/var/run/secrets/kubernetes.io/serviceaccount", "the folder of the pod's service account")
	})
	if err != nil {
		return 0, err
	}
	c, err := openCluster(server, account)
	if err != nil {
		return 0, err
	}
	if err := check(settings.Environment(), false); err != nil {
		return 0, err
	}
	m, err := c.master(ctx, settings.Environment())
	if err != nil {
		return 0, err
	}
	made, err := c.createAll(ctx, m)
	if err == nil {
		fmt.Printf("%d secrets made, the others exist\n", made)
	}
	return 0, err
}

// openCluster reads what a pod gets from its service account.
func openCluster(server, account string) (c cluster, err error) {
	var files [3][]byte
	for i, name := range []string{"ca.crt", "namespace", "token"} {
		if files[i], err = os.ReadFile(filepath.Join(account, name)); err != nil { //nolint:gosec // the pod's own
			return c, fmt.Errorf("%w: this word runs in a pod with a service account's token", err)
		}
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(files[0]) {
		return c, fmt.Errorf("%s/ca.crt has no certificate", account)
	}
	return cluster{
		url:   server + "/api/v1/namespaces/" + strings.TrimSpace(string(files[1])) + "/secrets",
		token: strings.TrimSpace(string(files[2])),
		client: &http.Client{
			Timeout:   20 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12}},
		},
	}, nil
}

// resource is a Secret, with values in base64.
type resource struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]any    `json:"metadata"`
	Data       map[string][]byte `json:"data"`
}

// master reads all secrets, or makes them. It stores them before any other secret: a later run derives the same ones
// from it, also after this run was interrupted.
func (c cluster) master(ctx context.Context, s settings.Settings) (m master, err error) {
	if m, err = c.read(ctx); !errors.Is(err, errNoSecret) {
		return m, err
	}
	m.Secrets, m.Tokens = secret.Set{}, map[string]secret.Tokens{}
	if err := m.complete(s); err != nil {
		return m, err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	created, err := c.create(ctx, masterSecret, map[string][]byte{masterKey: text})
	if err == nil && !created { // by another run meanwhile
		return c.read(ctx)
	}
	return m, err
}

var errNoSecret = errors.New("no such secret")

func (c cluster) read(ctx context.Context) (m master, err error) {
	status, body, err := c.do(ctx, http.MethodGet, c.url+"/"+masterSecret, nil)
	switch {
	case err != nil:
		return m, err
	case status == http.StatusNotFound:
		return m, errNoSecret
	case status != http.StatusOK:
		return m, refused("read the secret "+masterSecret, status, body)
	}
	var found resource
	if err := json.Unmarshal(body, &found); err != nil {
		return m, err
	}
	if err := json.Unmarshal(found.Data[masterKey], &m); err != nil {
		return m, fmt.Errorf("the secret %s: %w", masterSecret, err)
	}
	return m, nil
}

// createAll creates the secrets that do not exist, and returns how many.
func (c cluster) createAll(ctx context.Context, m master) (made int, err error) {
	all, err := m.resources()
	if err != nil {
		return 0, err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		created, err := c.create(ctx, name, all[name])
		if err != nil {
			return made, err
		}
		if created {
			made++
		}
	}
	return made, nil
}

// resources are the secrets of pods, by name. Dapr's injector takes tokens from secrets of their own, by the key token.
func (m master) resources() (map[string]map[string][]byte, error) {
	files, err := m.files()
	if err != nil {
		return nil, err
	}
	all := map[string]map[string][]byte{
		"postgres": {"password": files["postgres/password"], "databases.sql": files["postgres/databases.sql"]},
		"redis":    {"redis.conf": files["redis/redis.conf"]},
	}
	for _, app := range secret.Apps() {
		all[app] = map[string][]byte{secretsFile: files[app+"/"+secretsFile]}
		all[app+"-dapr-token"] = map[string][]byte{"token": files[app+"/"+daprTokenFile]}
		all[app+"-app-token"] = map[string][]byte{"token": files[app+"/"+appTokenFile]}
	}
	return all, nil
}

// create reports false if the secret exists. It never changes one: data depends on it.
func (c cluster) create(ctx context.Context, name string, data map[string][]byte) (bool, error) {
	body, err := json.Marshal(resource{"v1", "Secret", map[string]any{
		"name": name, "labels": map[string]string{"app.kubernetes.io/part-of": "sidecart"},
	}, data})
	if err != nil {
		return false, err
	}
	status, response, err := c.do(ctx, http.MethodPost, c.url, body)
	if err == nil && status != http.StatusCreated && status != http.StatusConflict {
		err = refused("create the secret "+name, status, response)
	}
	return err == nil && status == http.StatusCreated, err
}

func (c cluster) do(ctx context.Context, method, url string, body []byte) (status int, response []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("the cluster's API: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	response, err = io.ReadAll(io.LimitReader(res.Body, 4<<20))
	return res.StatusCode, response, err
}

// refused is the error of a response, without secrets: Kubernetes' message does not have them.
func refused(what string, status int, body []byte) error {
	var response struct{ Message string }
	_ = json.Unmarshal(body, &response)
	hint := ""
	if status == http.StatusForbidden {
		hint = ": this pod's service account needs the role \"secrets\" of deploy/kubernetes/overlays/local/secrets.yaml"
	}
	return fmt.Errorf("the cluster does not let us %s: %d %s%s", what, status, response.Message, hint)
}
