// Package settings reads what operators set, from the environment or from a file like .env.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

// Settings are values by name. The environment has precedence over the file, as it has for Compose.
type Settings struct {
	file map[string]string // nil without a file
}

// Environment are the settings of the environment alone.
func Environment() Settings { return Settings{} }

// Read adds a file of settings, in Compose's format, to the environment.
func Read(path string) (Settings, error) {
	file, err := dotenv.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: copy .env.example to it and fill it in", err)
	}
	return Settings{file}, err
}

// Lookup reports whether a setting is set, also to an empty value. With a file every setting is: what the file does not
// have is empty.
func (s Settings) Lookup(name string) (string, bool) {
	if value, ok := os.LookupEnv(name); ok {
		return value, true
	}
	return s.file[name], s.file != nil
}

// Get returns a setting, or fallback if it is unset or empty.
func (s Settings) Get(name, fallback string) string {
	value, _ := s.Lookup(name)
	return cmp.Or(value, fallback)
}

// HasFile reports whether there is a file.
func (s Settings) HasFile() bool { return s.file != nil }

// EnvFile is the text of an env_file with all settings of the file but some. Compose and Swarm read such files
// differently: Swarm takes every character literally. So it fails for a value that they would read differently.
func (s Settings) EnvFile(without []string) (text string, failed error) {
	for _, name := range slices.Sorted(maps.Keys(s.file)) {
		value := s.Get(name, "")
		if slices.Contains(without, name) || value == "" {
			continue
		}
		if strings.ContainsAny(value, "$\\\n\"'`") || strings.Contains(value, " #") || strings.TrimSpace(value) != value {
			failed = errors.Join(failed, fmt.Errorf("%s: Compose and Swarm read quotes, $, \\, line breaks, \" #\" and "+
				"spaces around a value differently: set a value without them", name))
		}
		text += name + "=" + value + "\n"
	}
	return text, failed
}
