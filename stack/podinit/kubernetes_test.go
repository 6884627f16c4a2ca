package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sidecart/stack/internal/database"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/settings"
)

// fakeCluster is the API server at the edge of this process: it stores secrets, and allows what the role allows.
type fakeCluster struct {
	sync.Mutex
	secrets map[string]map[string][]byte
	limit   int // secrets that it takes before it fails; 0 is any number
}

const fakeToken = "the-token-of-the-account"

func (f *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.Lock()
	defer f.Unlock()
	respond := func(status int, body any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case r.Header.Get("Authorization") != "Bearer "+fakeToken:
		respond(http.StatusUnauthorized, map[string]string{"message": "Unauthorized"})
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/namespaces/shop/secrets/"+masterSecret:
		data, ok := f.secrets[path.Base(r.URL.Path)]
		if !ok {
			respond(http.StatusNotFound, map[string]string{"message": "not found"})
			return
		}
		respond(http.StatusOK, resource{Data: data})
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/namespaces/shop/secrets":
		var s resource
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			respond(http.StatusBadRequest, map[string]string{"message": err.Error()})
			return
		}
		name, _ := s.Metadata["name"].(string)
		if f.secrets[name] != nil {
			respond(http.StatusConflict, map[string]string{"message": "exists"})
			return
		}
		if f.limit > 0 && len(f.secrets) == f.limit {
			respond(http.StatusInternalServerError, map[string]string{"message": "etcdserver: request timed out"})
			return
		}
		f.secrets[name] = s.Data
		respond(http.StatusCreated, nil)
	default:
		respond(http.StatusForbidden, map[string]string{"message": "forbidden"})
	}
}

// start returns the arguments with which podinit uses the cluster.
func (f *fakeCluster) start(t *testing.T, token string) []string {
	t.Helper()
	server := httptest.NewTLSServer(f)
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	dir := t.TempDir()
	for name, text := range map[string]string{"ca.crt": string(authority), "namespace": "shop\n", "token": token} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"-server", server.URL, "-account", dir}
}

// TestKubernetes: the secrets of all pods are made, agree with one another, and stay as they are.
func TestKubernetes(t *testing.T) {
	f := &fakeCluster{secrets: map[string]map[string][]byte{}}
	args := f.start(t, fakeToken)
	if _, err := kubernetesWord(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	for _, app := range secret.Apps() {
		var own secret.Set
		if err := json.Unmarshal(f.secrets[app]["secrets.json"], &own); err != nil || len(own) == 0 {
			t.Errorf("the secrets of %s: %v", app, err)
		}
		dapr, back := string(f.secrets[app+"-dapr-token"]["token"]), string(f.secrets[app+"-app-token"]["token"])
		if len(dapr) < 32 || len(back) < 32 || dapr == back {
			t.Errorf("%s has the tokens %q and %q", app, dapr, back)
		}
		if !slices.Contains(secret.Databases(), app) {
			continue
		}
		password, err := own.Password(app)
		if err != nil || !strings.Contains(string(f.secrets["postgres"]["databases.sql"]), database.OwnerOf(app, password).Password) {
			t.Errorf("Postgres does not create %s with the password of its service (%v)", app, err)
		}
	}
	if !strings.Contains(string(f.secrets["redis"]["redis.conf"]), "requirepass ") || len(f.secrets["postgres"]["password"]) < 32 {
		t.Error("Redis or Postgres has no password")
	}
	before, _ := json.Marshal(f.secrets)
	if _, err := kubernetesWord(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	if after, _ := json.Marshal(f.secrets); string(after) != string(before) {
		t.Error("a second run changed a secret")
	}
}

// TestKubernetesContinues: a run that was interrupted after some secrets continues with the same passwords.
func TestKubernetesContinues(t *testing.T) {
	f := &fakeCluster{secrets: map[string]map[string][]byte{}, limit: 7}
	args := f.start(t, fakeToken)
	if _, err := kubernetesWord(t.Context(), args); err == nil || !strings.Contains(err.Error(), "request timed out") {
		t.Fatalf("the cluster failed after seven secrets: %v", err)
	}
	f.limit = 0
	if _, err := kubernetesWord(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	var m master
	if err := json.Unmarshal(f.secrets[masterSecret][masterKey], &m); err != nil {
		t.Fatal(err)
	}
	want, err := m.resources()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range want {
		for key, value := range data {
			if string(f.secrets[name][key]) != string(value) {
				t.Errorf("%s of the secret %s is not that of the first run", key, name)
			}
		}
	}
}

// TestKubernetesRefuses: errors name what to do.
func TestKubernetesRefuses(t *testing.T) {
	f := &fakeCluster{secrets: map[string]map[string][]byte{}}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no account":  {[]string{"-account", t.TempDir()}, "runs in a pod with a service account's token"},
		"wrong token": {f.start(t, "another"), "401 Unauthorized"},
		"wrong path":  {append(f.start(t, fakeToken), "-server", "https://127.0.0.1:1"), "the cluster's API"},
	} {
		if _, err := kubernetesWord(t.Context(), tt.args); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if err := refused("create the secret x", http.StatusForbidden, nil); !strings.Contains(err.Error(), "overlays/local/secrets.yaml") {
		t.Errorf("forbidden: %v", err)
	}
	args := f.start(t, fakeToken)
	c, err := openCluster(args[1], args[3])
	if err != nil {
		t.Fatal(err)
	}
	f.secrets[masterSecret] = map[string][]byte{masterKey: []byte("{")}
	if _, err := c.master(t.Context(), settings.Environment()); err == nil || errors.Is(err, errNoSecret) {
		t.Errorf("a broken secret is replaced: %v", err)
	}
}
