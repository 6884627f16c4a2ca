package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sidecart/stack/internal/settings"
)

// packable makes secrets in a new folder.
func packable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := makeSecrets(dir, settings.Settings{}, false); err != nil {
		t.Fatal(err)
	}
	return dir
}

func packFor(t *testing.T, dir, name, ca string) string {
	t.Helper()
	files, err := pack(dir, name, ca)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestUnpack: what was packed for a container is in its sidecar's folder as `podinit secrets` writes it, and its
// service has no secrets but two tokens.
func TestUnpack(t *testing.T) {
	dir, sidecar, service := packable(t), t.TempDir(), t.TempDir()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte("an authority"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SECRETS", packFor(t, dir, "orders", ca))
	if _, err := unpackWord(t.Context(), []string{"-service", service, "-write", "note=one=two", sidecar}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names(t, filepath.Join(dir, "orders")) {
		want, err1 := os.ReadFile(filepath.Join(dir, "orders", name))
		got, err2 := os.ReadFile(filepath.Join(sidecar, name))
		if err1 != nil || err2 != nil || string(got) != string(want) {
			t.Errorf("%s differs: %v, %v", name, err1, err2)
		}
	}
	if text, err := os.ReadFile(filepath.Join(sidecar, "note")); err != nil || string(text) != "one=two" {
		t.Errorf("note: %q, %v", text, err)
	}
	if got, want := names(t, service), []string{"app-token", "dapr-token", "postgres-ca.crt"}; !slices.Equal(got, want) {
		t.Errorf("the service has %v, want %v", got, want)
	}
}

// TestPack: servers of a cloud get passwords instead of files, and no container gets the secrets of another.
func TestPack(t *testing.T) {
	dir := packable(t)
	m, err := readMaster(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pack(dir, "redis", ""); err != nil || !maps.Equal(got, packed{"password": m.Secrets["redis-password"]}) {
		t.Errorf("redis: %v, %v", got, err)
	}
	postgres := packFor(t, dir, "postgres", "")
	for _, secret := range []string{m.Secrets["JWT_SECRET_KEY"], m.Database.Password, m.Secrets["redis-password"]} {
		if strings.Contains(postgres, secret) {
			t.Error("postgres has more than the addresses of databases")
		}
	}
	if users := packFor(t, dir, "users", ""); strings.Contains(users, "orders-database-url") || !strings.Contains(users, "users-database-url") {
		t.Error("users has not exactly its own database")
	}
	for name, want := range map[string]string{"user": "the names are", "master/x": "the names are"} {
		if _, err := pack(dir, name, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := pack(t.TempDir(), "orders", ""); err == nil || !strings.Contains(err.Error(), "make secrets") {
		t.Errorf("without secrets: %v", err)
	}
}

// TestUnpackRefuses: wrong input is an error that names the fix and shows no secret.
func TestUnpackRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "podinit pack",
		"hunter2":                    "podinit pack",
		`["hunter2"]`:                "podinit pack",
		`{"../hunter": "hunter2"}`:   "no name of a file",
		`{"/etc/hunter": "hunter2"}`: "no name of a file",
	} {
		dir := t.TempDir()
		t.Setenv("SECRETS", text)
		_, err := unpackWord(t.Context(), []string{dir})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if got := names(t, dir); len(got) != 0 {
			t.Errorf("%s: wrote %v", text, got)
		}
	}
}

func TestDatabaseRefuses(t *testing.T) {
	dir := packable(t)
	t.Setenv("SECRETS", packFor(t, dir, "orders", ""))
	if _, err := databaseWord(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("with the secrets of orders: %v", err)
	}
	t.Setenv("SECRETS", packFor(t, dir, "postgres", ""))
	if _, err := databaseWord(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "DATABASE_ADDR") {
		t.Errorf("without an address: %v", err)
	}
}
