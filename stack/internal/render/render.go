// Package render copies the run template, the sidecars' configuration and the components for a second instance on this
// machine, with other ports and another data folder.
package render

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"sidecart/stack/internal/instance"
)

var (
	address   = regexp.MustCompile(`\b(localhost|127\.0\.0\.1):(\d{4,5})\b`)
	field     = regexp.MustCompile(`(?m)^(\s*(?:\w+Port|[A-Z_]+_PORT):\s*"?)(\d{4,5})\b`)
	component = regexp.MustCompile(`(- name: port\s+value: ")(\d{4,5})"`)
)

// Copies writes the files of an instance. The default instance needs no copies.
func Copies(i instance.Instance) error {
	if i.Name == instance.Default {
		return nil
	}
	local := filepath.Join("components", "local")
	for _, dir := range []string{"dapr", local} {
		if err := copyTree(i, dir); err != nil {
			return fmt.Errorf("copy %s for instance %s: %w", dir, i.Name, err)
		}
	}
	if i.Components == "" {
		return nil
	}
	files, err := os.ReadDir(i.Components)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Stat(i.Path(local, f.Name())); err != nil {
			return fmt.Errorf("no component to replace with %s: %w", f.Name(), err)
		}
		if err := copyFile(i, filepath.Join(i.Components, f.Name()), i.Path(local, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(i instance.Instance, from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, []byte(Text(i, string(text))), 0o600)
}

func copyTree(i instance.Instance, dir string) error {
	if err := os.RemoveAll(i.Path(dir)); err != nil {
		return err
	}
	from := filepath.Join(i.Root, dir)
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(i.Root, path)
		if d.IsDir() {
			return os.MkdirAll(i.Path(rel), 0o750)
		}
		return copyFile(i, path, i.Path(rel))
	})
}

// Text changes a configuration file of the default instance for instance i: ports in loopback addresses and in port
// fields are shifted, and the data folder is the instance's. Services stay those of the repository.
func Text(i instance.Instance, text string) string {
	text = address.ReplaceAllStringFunc(text, func(m string) string {
		host, port, _ := strings.Cut(m, ":")
		return host + ":" + shifted(i, port)
	})
	text = field.ReplaceAllStringFunc(text, func(m string) string {
		parts := field.FindStringSubmatch(m)
		return parts[1] + shifted(i, parts[2])
	})
	text = component.ReplaceAllStringFunc(text, func(m string) string {
		parts := component.FindStringSubmatch(m)
		return parts[1] + shifted(i, parts[2]) + `"`
	})
	text = strings.ReplaceAll(text, ".sidecart/"+instance.Default+"/", ".sidecart/"+i.Name+"/")
	text = strings.ReplaceAll(text, "configFilePath: ../../dapr/", "configFilePath: "+i.Path("dapr")+"/")
	return strings.ReplaceAll(text, "appDirPath: ../apps/", "appDirPath: "+filepath.Join(i.Root, "apps")+"/")
}

func shifted(i instance.Instance, port string) string {
	n, err := strconv.Atoi(port)
	if err != nil {
		return port
	}
	return strconv.Itoa(i.Port(n))
}
