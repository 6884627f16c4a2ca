package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sidecart/stack/internal/secret"
)

// databaseCAFile is the authority of the certificate of an external database.
const databaseCAFile = "postgres-ca.crt"

// packed are the files of a container, by name. As JSON it is one secret of a cloud's store.
type packed map[string]string

func packWord(_ context.Context, args []string) (int, error) {
	var dir, ca string
	args, err := options("pack", args, 1, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", "secrets", "folder of secrets")
		f.StringVar(&ca, "ca", "", "authority of the database's certificate")
	})
	if err != nil {
		return 0, err
	}
	files, err := pack(dir, args[0], ca)
	if err != nil {
		return 0, err
	}
	return 0, json.NewEncoder(os.Stdout).Encode(files)
}

// pack returns the files of a container, and the authority ca of the database's certificate, a file.
func pack(dir, name, ca string) (packed, error) {
	m, err := readMaster(dir)
	if err != nil {
		return nil, err
	}
	if len(m.Secrets) == 0 {
		return nil, fmt.Errorf("%s has no secrets: `make secrets` makes them", dir)
	}
	files, err := m.packed(name)
	if err != nil || ca == "" {
		return files, err
	}
	text, err := os.ReadFile(ca) //nolint:gosec // the operator's file
	files[databaseCAFile] = string(text)
	return files, err
}

// packed are the files of a container. Of postgres these are the passwords of the services' roles, and of redis its
// password: in clouds these servers have no files.
func (m master) packed(name string) (packed, error) {
	all, err := m.files()
	if err != nil {
		return nil, err
	}
	files, names := packed{}, map[string]bool{}
	for path, text := range all {
		folder, file, _ := strings.Cut(path, "/")
		names[folder] = true
		if folder == name {
			files[file] = string(text)
		}
	}
	switch {
	case len(files) == 0:
		return nil, fmt.Errorf("no container %q: the names are %v", name, slices.Sorted(maps.Keys(names)))
	case name == "redis":
		return packed{"password": m.Secrets["redis-password"]}, nil
	case name == "postgres":
		urls := secret.Set{}
		for _, app := range secret.Databases() {
			urls[secret.DatabaseURL(app)] = m.Secrets[secret.DatabaseURL(app)]
		}
		text, err := json.Marshal(urls)
		return packed{secretsFile: string(text)}, err
	default:
		return files, nil
	}
}

// variable are packed secrets in the environment.
func variable() (files packed, err error) {
	text := os.Getenv("SECRETS")
	if text == "" {
		return nil, errors.New("SECRETS is not set: the secret that `podinit pack` made for this container")
	}
	if err := json.Unmarshal([]byte(text), &files); err != nil {
		return nil, errors.New("SECRETS is not what `podinit pack` prints: an object of files") // the error could show a secret
	}
	return files, nil
}

// unpackWord writes packed secrets to volumes: for clouds, which give a container its secrets as variables. The
// sidecar's volume gets all of them, and the service's only what it may have.
func unpackWord(_ context.Context, args []string) (int, error) {
	var service string
	more := packed{}
	args, err := options("unpack", args, 1, func(f *flag.FlagSet) {
		f.StringVar(&service, "service", "", "folder of the service's secrets")
		f.Func("write", "NAME=TEXT: a file that is no secret", func(text string) error {
			name, text, ok := strings.Cut(text, "=")
			more[name] = text
			if !ok || name == "" {
				return errors.New("must be NAME=TEXT")
			}
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	files, err := variable()
	if err != nil {
		return 0, err
	}
	maps.Copy(files, more)
	if err := unpack(args[0], files); err != nil {
		return 0, err
	}
	if service == "" {
		return 0, nil
	}
	own := packed{}
	for _, name := range []string{appTokenFile, daprTokenFile, databaseCAFile} {
		if text, ok := files[name]; ok {
			own[name] = text
		}
	}
	return 0, unpack(service, own)
}

func unpack(dir string, files packed) error {
	for name, text := range files {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return fmt.Errorf("SECRETS has %q, which is no name of a file", name)
		}
		if err := secret.WriteFileMode(filepath.Join(dir, name), []byte(text), fs.FileMode(0o444)); err != nil {
			return err
		}
	}
	return nil
}
