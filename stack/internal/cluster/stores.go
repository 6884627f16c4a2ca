package cluster

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// commands are what scripts in images of Debian may call.
var shellCommands = []string{
	"dash", "bash", "cat", "cp", "mkdir", "mv", "rm", "ls", "chmod", "chown", "id", "date", "sleep", "head", "tail", "env",
	"ln", "touch", "test", "[", "find", "gzip", "grep", "sed", "tr", "wc", "sort", "basename", "dirname", "sha256sum",
	"stat", "mktemp", "printf", "seq", "expr", "true", "false",
}

// debianImage is an image with files of this machine's Debian: a shell, these programs, and the libraries of all.
func debianImage(extra []string) (image, error) {
	m := image{
		files: map[string]string{},
		links: map[string]string{
			"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/usr/bin/sh": "dash",
		},
		dirs: map[string]int64{"/tmp": 0, "/run": 0},
	}
	for _, name := range shellCommands {
		path, err := exec.LookPath(name)
		if err != nil {
			return m, err
		}
		extra = append(extra, path)
	}
	for _, path := range extra {
		if err := m.addWithLibraries(path); err != nil {
			return m, err
		}
	}
	return m, nil
}

// addWithLibraries adds a file of this machine, and its libraries if it is a program.
func (m image) addWithLibraries(file string) error {
	to := merged(file)
	if m.files[to] != "" {
		return nil
	}
	m.files[to] = file
	return m.addLibraries(file)
}

// addLibraries adds the libraries that a program names.
func (m image) addLibraries(file string) error {
	program, err := elf.Open(file)
	if err != nil {
		return nil //nolint:nilerr // not a program
	}
	defer program.Close()
	if s := program.Section(".interp"); s != nil {
		text, err := s.Data()
		if err != nil {
			return err
		}
		if err := m.addWithLibraries(strings.TrimRight(string(text), "\x00")); err != nil {
			return err
		}
	}
	names, err := program.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "ld-linux") {
			continue // the interpreter
		}
		path := filepath.Join("/", libraries, name)
		if !isFile(path) {
			return fmt.Errorf("%s needs %s, which is not in /%s", file, name, libraries)
		}
		if err := m.addWithLibraries(path); err != nil {
			return err
		}
	}
	return nil
}

// merged is the path of a file in /usr, where Debian has /bin, /sbin and /lib*.
func merged(file string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(file, dir) {
			return "/usr" + file
		}
	}
	return file
}

// postgresImage is a stand-in for the official image: this machine's Postgres 15, and what the official entrypoint
// promises and Sidecart uses.
func postgresImage(ctx context.Context, dir string) (image, error) {
	out, err := exec.CommandContext(ctx, "dpkg", "-L", "postgresql-15", "postgresql-client-15").Output()
	if err != nil {
		return image{}, errors.New("the image is made of Debian's packages: apt-get install postgresql-15")
	}
	var own []string
	unused := []string{"/bitcode/", "llvmjit", "/locale/", "/man/", "/doc/", "/lintian/", "/doc-base/"}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		if isFile(file) && !slices.ContainsFunc(unused, func(s string) bool { return strings.Contains(file, s) }) {
			own = append(own, file)
		}
	}
	for _, tree := range []string{"/usr/lib/locale/C.utf8", "/usr/share/zoneinfo"} {
		if own, err = appendFiles(own, tree); err != nil {
			return image{}, err
		}
	}
	m, err := debianImage(own)
	if err != nil {
		return m, err
	}
	m.user, m.env = "999", []string{"LANG=C.UTF-8", "PGDATA=/var/lib/postgresql/data"}
	m.entry, m.args = []string{"docker-entrypoint.sh"}, []string{"postgres"}
	for _, name := range []string{"/var/lib/postgresql/data", "/var/run/postgresql", "/docker-entrypoint-initdb.d"} {
		m.dirs[name] = 0
	}
	return m, m.addScripts(dir, "postgres")
}

// redisImage is a stand-in for the official image: this machine's Redis.
func redisImage(dir string) (image, error) {
	var own []string
	for _, name := range []string{"redis-server", "redis-cli"} {
		path, err := exec.LookPath(name)
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			return image{}, errors.New("the image is made of Debian's packages: apt-get install redis-server")
		}
		own = append(own, path)
	}
	m, err := debianImage(own)
	if err != nil {
		return m, err
	}
	server, err := exec.LookPath("redis-server") // a link to the program that checks files, or the other way round
	if err != nil {
		return m, err
	}
	m.files["/usr/bin/redis-server"] = server
	m.user, m.entry, m.args = "999", []string{"docker-entrypoint.sh"}, []string{"redis-server"}
	m.dirs["/data"] = 0
	return m, m.addScripts(dir, "redis")
}

// addScripts adds the entrypoint and the users of an image.
func (m image) addScripts(dir, name string) error {
	for to, from := range map[string]string{
		"/usr/local/bin/docker-entrypoint.sh": name + ".sh", "/etc/passwd": "passwd", "/etc/group": "group",
	} {
		text, err := files.ReadFile("files/" + from)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, from)
		if have, err := os.ReadFile(path); err != nil || string(have) != string(text) {
			if err := os.WriteFile(path, text, 0o755); err != nil { //nolint:gosec // a script
				return err
			}
		}
		m.files[to] = path
	}
	return nil
}

// appendFiles appends the files of a folder.
func appendFiles(files []string, dir string) ([]string, error) {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isFile(path) {
			return err
		}
		files = append(files, path)
		return nil
	})
	return files, err
}
