package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sidecart/stack/internal/secret"
)

// contents are all files in a folder of secrets, by path.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		text, err := os.ReadFile(path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// made makes secrets with settings and returns all files.
func made(t *testing.T, dir string, env ...string) map[string]string {
	t.Helper()
	if out, status := runPodinit(t, env, "secrets", "-dir", dir); status != 0 {
		t.Fatal(out)
	}
	return contents(t, dir)
}

func TestEachContainerHasItsOwnSecrets(t *testing.T) {
	files := made(t, filepath.Join(t.TempDir(), "secrets"))
	want := []string{
		"master/lock", "master/secrets.json", "placement/ca.crt", "placement/sentry-token", "postgres/databases.sql", "postgres/password",
		"postgres/user", "redis/redis.conf", "scheduler/ca.crt", "scheduler/sentry-token", "sentry/ca.crt", "sentry/issuer.crt",
		"sentry/issuer.key", "sentry/keys.json",
	}
	for _, app := range secret.Apps() {
		for _, name := range []string{"app-token", "ca.crt", "dapr-token", "secrets.json", "sentry-token"} {
			want = append(want, app+"/"+name)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Errorf("files %q,\nwant %q", got, want)
	}
	// What is secret is in one container, and in the one that it is for: nothing of it is anywhere else.
	for name, text := range files {
		for other, content := range files {
			own := filepath.Dir(name)
			shared := strings.HasSuffix(name, "/ca.crt") || own == "master" || filepath.Dir(other) == "master"
			if name == other || shared || len(text) < 16 {
				continue
			}
			if strings.Contains(content, text) {
				t.Errorf("%s contains %s", other, name)
			}
		}
	}
	var orders map[string]string
	if err := json.Unmarshal([]byte(files["orders/secrets.json"]), &orders); err != nil {
		t.Fatal(err)
	}
	names := []string{"orders-database-url", "payment-webhook-key", "redis-password", "stripe-api-key", "stripe-webhook-key"}
	if got := slices.Sorted(maps.Keys(orders)); !slices.Equal(got, names) {
		t.Errorf("orders has the secrets %q, want %q", got, names)
	}
	if strings.Contains(files["gateway/secrets.json"], "JWT_SECRET_KEY") || !strings.Contains(files["users/secrets.json"], "JWT_SECRET_KEY") {
		t.Error("the signing key of tokens belongs to users, and not to the gateway")
	}
	if !strings.Contains(files["redis/redis.conf"], "requirepass "+orders["redis-password"]+"\n") {
		t.Errorf("Redis has another password than its clients: %s", files["redis/redis.conf"])
	}
}

// TestOnlyTheOwnerEntersTheFolder: containers run as different users and must read their files; other users of the
// machine cannot, because of the folder around them.
func TestOnlyTheOwnerEntersTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	made(t, dir)
	for name, want := range map[string]fs.FileMode{
		"": 0o700, "master": 0o700, "master/secrets.json": 0o600, "orders": 0o755, "orders/secrets.json": 0o444, "sentry/issuer.key": 0o444,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q has the mode %v, want %o (%v)", name, info.Mode(), want, err)
		}
	}
}

// TestAuthority: the certificates are those that sentry wants, and last for ten years.
func TestAuthority(t *testing.T) {
	files := made(t, t.TempDir())
	parse := func(name string) *x509.Certificate {
		block, _ := pem.Decode([]byte(files[name]))
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	roots := x509.NewCertPool()
	roots.AddCert(parse("sentry/ca.crt"))
	for _, now := range []time.Time{time.Now(), time.Now().AddDate(9, 11, 0)} {
		options := x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := parse("sentry/issuer.crt").Verify(options); err != nil {
			t.Errorf("at %s: %v", now, err)
		}
	}
	for _, name := range []string{"sentry/ca.crt", "sentry/issuer.crt"} {
		if c := parse(name); c.PublicKeyAlgorithm != x509.ECDSA || !c.IsCA {
			t.Errorf("%s: %v, authority: %t", name, c.PublicKeyAlgorithm, c.IsCA)
		}
	}
	if files["orders/ca.crt"] != files["sentry/ca.crt"] || files["placement/ca.crt"] != files["sentry/ca.crt"] {
		t.Error("the anchors differ")
	}
}

// TestTheEndOfTheAuthority is announced for two months, and then nothing is made with it.
func TestTheEndOfTheAuthority(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for left, want := range map[time.Duration]int{61 * 24 * time.Hour: 0, 59 * 24 * time.Hour: 0, -time.Hour: 1} {
		dir := t.TempDir()
		made(t, dir)
		m, err := readMaster(dir)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		m.Authority.Issuer = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, masterFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, status := runPodinit(t, nil, "secrets", "-dir", dir)
		if status != want || strings.Contains(out, `remove "authority" from master/secrets.json`) != (left < 60*24*time.Hour) {
			t.Errorf("%s left: %d %s", left, status, out)
		}
	}
}

// TestForeignFolder: the error says whose the folder must be.
func TestForeignFolder(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	p := &podinit{t: t, cmd: exec.CommandContext(t.Context(), "/proc/self/fd/3", "secrets", "-dir", t.TempDir())}
	self, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close() //nolint:errcheck // only read
	p.cmd.ExtraFiles, p.cmd.Env = []*os.File{self}, []string{role + "=podinit"}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Run(); err == nil || !strings.Contains(p.output(), "must belong to the user 65532, who makes the secrets") {
		t.Errorf("%v %s", err, p.output())
	}
}

// TestFilesForTLS are made only where they are wanted: the default composition has no volume for them.
func TestFilesForTLS(t *testing.T) {
	dir := t.TempDir()
	plain := made(t, dir)
	if out, status := runPodinit(t, nil, "secrets", "-tls", "-dir", dir); status != 0 {
		t.Fatal(out)
	}
	var added []string
	for name, text := range contents(t, dir) {
		before, there := plain[name]
		if !there {
			added = append(added, name)
		} else if before != text && name != "redis/redis.conf" && filepath.Base(name) != "secrets.json" { // addresses
			t.Errorf("%s changed", name)
		}
	}
	slices.Sort(added)
	want := []string{"postgres/server.crt", "postgres/server.key", "redis/server.crt", "redis/server.key", "tls/ca.crt"}
	if !slices.Equal(added, want) {
		t.Errorf("%q, want %q", added, want)
	}
}

func TestSecretsNeverChange(t *testing.T) {
	dir := t.TempDir()
	first := made(t, dir)
	if again := made(t, dir); !maps.Equal(first, again) {
		t.Error("the second run changed files")
	}
	// A container's folder that was lost, or of a service that is new, is made of the same secrets.
	if err := os.RemoveAll(filepath.Join(dir, "orders")); err != nil {
		t.Fatal(err)
	}
	if again := made(t, dir); !maps.Equal(first, again) {
		t.Error("what was lost came back differently")
	}
	if err := os.Remove(filepath.Join(dir, "master/secrets.json")); err != nil {
		t.Fatal(err)
	}
	out, status := runPodinit(t, nil, "secrets", "-dir", dir)
	if status != 1 || !strings.Contains(out, "restore it from a backup") || contents(t, dir)["postgres/password"] != first["postgres/password"] {
		t.Errorf("without the master: %d %s", status, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "master/secrets.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := runPodinit(t, nil, "secrets", "-dir", dir); status != 1 || !strings.Contains(out, "secrets.json: unexpected end of JSON") {
		t.Errorf("half a master: %d %s", status, out)
	}
}

// TestConcurrentRunsDoNotMix: of many that start together one makes the secrets, and the others keep them.
func TestConcurrentRunsDoNotMix(t *testing.T) {
	dir := t.TempDir()
	var runs sync.WaitGroup
	var failed sync.Map
	for n := range 8 {
		runs.Go(func() {
			if out, status := runPodinit(t, nil, "secrets", "-dir", dir); status != 0 {
				failed.Store(n, out)
			}
		})
	}
	runs.Wait()
	failed.Range(func(_, out any) bool { t.Error(out); return true })
	files := contents(t, dir)
	if again := made(t, dir); !maps.Equal(files, again) {
		t.Error("some files are of another run than the master")
	}
	for name := range files {
		if strings.HasPrefix(filepath.Base(name), ".") {
			t.Errorf("%s is left", name)
		}
	}
}
