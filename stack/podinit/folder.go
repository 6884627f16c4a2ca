package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/broker"
	"sidecart/stack/internal/database"
	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/secret"
)

// The files in a container's folder.
const (
	secretsFile     = "secrets.json"
	anchorsFile     = "ca.crt"
	sentryTokenFile = "sentry-token" //nolint:gosec // the name of a file
	daprTokenFile   = "dapr-token"   //nolint:gosec // the same
	appTokenFile    = "app-token"    //nolint:gosec // the same

	masterFile   = "master/secrets.json"
	settingsFile = "from-make-secrets.env"
)

// master has all secrets of a platform. No container has it; the folders of containers are made of it.
type master struct {
	Secrets   secret.Set               `json:"secrets"`
	Tokens    map[string]secret.Tokens `json:"tokens"` // by app
	Authority identity.Authority       `json:"authority"`
	Servers   identity.Servers         `json:"servers"` // of Postgres and Redis
	Database  struct {
		User     string `json:"user"`
		Password string `json:"password"`
	} `json:"database"` // the administrator

	tls bool // Postgres and Redis speak nothing else
}

// readMaster reads the master file. Without one it returns an empty master.
func readMaster(dir string) (m master, err error) {
	m.Secrets, m.Tokens = secret.Set{}, map[string]secret.Tokens{}
	path := filepath.Join(dir, masterFile)
	text, err := os.ReadFile(path) //nolint:gosec // the operator's folder
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, "postgres", "password")); err == nil {
			return m, fmt.Errorf("%s is missing, but secrets made from it exist: restore it from a backup; or, to begin "+
				"again with new secrets, delete the content of %s and the data of Postgres and Redis", path, dir)
		}
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// files are those of all containers, by path in the folder of secrets.
func (m master) files() (map[string][]byte, error) {
	keys, err := m.Authority.Keys()
	if err != nil {
		return nil, err
	}
	owners, err := m.Secrets.Owners()
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{
		"sentry/keys.json": keys, "sentry/" + anchorsFile: m.Authority.Anchors,
		"sentry/issuer.crt": m.Authority.Issuer, "sentry/issuer.key": m.Authority.IssuerKey,
		"postgres/user": []byte(m.Database.User), "postgres/password": []byte(m.Database.Password),
		"postgres/databases.sql": []byte(database.Script(owners)),
		"redis/redis.conf":       []byte(broker.Config(m.Secrets["redis-password"], "/data")),
	}
	m.secureServers(all)
	for folder, name := range map[string]string{"placement": identity.Placement, "scheduler": identity.Scheduler} {
		if err := m.identify(all, folder, name); err != nil {
			return nil, err
		}
	}
	for _, app := range secret.Apps() {
		if err := m.identify(all, app, app); err != nil {
			return nil, err
		}
		text, err := json.MarshalIndent(m.Secrets.For(app), "", "  ")
		if err != nil {
			return nil, err
		}
		all[app+"/"+secretsFile] = append(text, '\n')
		all[app+"/"+daprTokenFile] = []byte(m.Tokens[app].Dapr)
		all[app+"/"+appTokenFile] = []byte(m.Tokens[app].App)
	}
	return all, nil
}

// secureServers adds what Postgres, Redis and their clients need for TLS, if it is wanted: a container that makes
// secrets without it has no volume for these files.
func (m master) secureServers(all map[string][]byte) {
	if !m.tls {
		return
	}
	all["redis/redis.conf"] = append(all["redis/redis.conf"], broker.TLS(mounted)...)
	all["tls/"+anchorsFile] = m.Servers.CA
	for host, pair := range m.Servers.Each {
		all[host+"/server.crt"], all[host+"/server.key"] = pair.Certificate, pair.Key
	}
}

func (m master) identify(all map[string][]byte, folder, name string) error {
	token, err := m.Authority.Token(name)
	all[folder+"/"+sentryTokenFile] = []byte(token)
	all[folder+"/"+anchorsFile] = m.Authority.Anchors
	return err
}

// write writes files that changed. Containers run as different users, so every user may read what is in their folders;
// only its owner can enter the folder around them.
func write(dir string, files map[string][]byte) (changed int, err error) {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) { //nolint:gosec // the operator's folder
			continue
		}
		mode := fs.FileMode(0o444)
		if strings.HasPrefix(name, filepath.Dir(masterFile)) {
			mode = 0o600
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // see above
			return changed, err
		}
		if err := secret.WriteFileMode(path, text, mode); err != nil {
			return changed, err
		}
		changed++
	}
	return changed, nil
}
