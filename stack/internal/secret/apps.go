package secret

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"

	"sidecart/stack/internal/database"
)

//go:embed apps.json
var appsJSON []byte

// needs are the secrets of each app and of its sidecar's components.
var needs = func() map[string][]string {
	var file struct{ Apps map[string][]string }
	if err := json.Unmarshal(appsJSON, &file); err != nil {
		panic("apps.json, made by `make generate`: " + err.Error())
	}
	return file.Apps
}()

// Apps are the app ids, sorted.
func Apps() []string { return slices.Sorted(maps.Keys(needs)) }

// Databases are the apps that have a database: it and its role have the app's id.
func Databases() []string {
	return slices.DeleteFunc(Apps(), func(app string) bool { return !slices.Contains(needs[app], DatabaseURL(app)) })
}

// For returns only the secrets that an app and its sidecar need.
func (s Set) For(app string) Set {
	own := Set{}
	for _, name := range needs[app] {
		own[name] = s[name]
	}
	return own
}

// DatabaseURL is the name of the secret with the address of an app's database.
func DatabaseURL(db string) string { return db + "-database-url" }

// Owners are the databases of the services, with their passwords.
func (s Set) Owners() (all []database.Owner, err error) {
	for _, name := range Databases() {
		password, err := s.Password(name)
		if err != nil {
			return nil, err
		}
		all = append(all, database.OwnerOf(name, password))
	}
	return all, nil
}

// MoveDatabases gives the URL of each database what url makes of its password: another server, or TLS.
func (s Set) MoveDatabases(url func(db, password string) string) error {
	for _, db := range Databases() {
		password, err := s.Password(db)
		if err != nil {
			return err
		}
		s[DatabaseURL(db)] = url(db, password)
	}
	return nil
}
