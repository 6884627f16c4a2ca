package security_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allSecrets returns all secrets of the platform by name.
func allSecrets(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range []string{"secrets.json", "tokens.json"} {
		text, err := os.ReadFile(filepath.Join(running.Dir, name))
		must(t, err)
		var values map[string]any
		must(t, json.Unmarshal(text, &values))
		for what, value := range values {
			switch value := value.(type) {
			case string:
				if value == "" {
					continue // a provider that is not used has no key
				}
				all[what] = value
				if u, err := url.Parse(value); err == nil && u.User != nil {
					all[what], _ = u.User.Password()
				}
			case map[string]any:
				all[what+"'s token"], all[what+"'s sidecar's token"] = value["dapr"].(string), value["app"].(string)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(running.Dir, "identities"))
	must(t, err)
	for _, e := range entries {
		if app, ok := strings.CutSuffix(e.Name(), ".jwt"); ok {
			all[app+"'s identity"] = identity(t, app)
		}
	}
	root, err := os.ReadFile(filepath.Join(running.Dir, "postgres.password"))
	must(t, err)
	all["Postgres's superuser"] = string(root)
	if len(all) < 20 {
		t.Fatalf("only %d secrets were found", len(all))
	}
	return all
}

// TestSecretsDoNotLeak searches everything that the platform writes (files, logs, data) and the command lines of its
// processes for secrets.
func TestSecretsDoNotLeak(t *testing.T) {
	admin(t)
	secrets := allSecrets(t)
	holders := []string{"secrets.json", "tokens.json", "postgres.password", "redis/redis.conf", "identities/"}
	files := 0
	must(t, filepath.WalkDir(running.Dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(running.Dir, path)
		if err != nil || d.IsDir() && rel == "bin" {
			return fs.SkipDir // deleted meanwhile, or programs
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > 64<<20 {
			return nil //nolint:nilerr // deleted meanwhile
		}
		isHolder := false
		for _, holder := range holders {
			isHolder = isHolder || rel == holder || strings.HasSuffix(holder, "/") && strings.HasPrefix(rel, holder)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // deleted meanwhile
		}
		files++
		for what, value := range secrets {
			if !bytes.Contains(text, []byte(value)) {
				continue
			}
			if !isHolder {
				t.Errorf("%s holds %s", rel, what)
			}
			if info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s holds %s and has mode %o", rel, what, info.Mode().Perm())
			}
		}
		return nil
	}))
	if files < 30 {
		t.Errorf("only %d files were searched", files)
	}
	for _, closed := range []string{"certificates", "identities", "postgres", "redis"} {
		info, err := os.Stat(filepath.Join(running.Dir, closed))
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("the folder %s has mode %o", closed, info.Mode().Perm())
		}
	}
	noSecretsInCommandLines(t, secrets)
}

func noSecretsInCommandLines(t *testing.T, secrets map[string]string) {
	t.Helper()
	state, err := running.State()
	must(t, err)
	for _, p := range state.Processes {
		for _, name := range []string{"cmdline", "comm"} {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), name))
			must(t, err)
			for what, value := range secrets {
				if bytes.Contains(text, []byte(value)) {
					t.Errorf("the %s of %s shows %s", name, p.Name, what)
				}
			}
		}
	}
}
