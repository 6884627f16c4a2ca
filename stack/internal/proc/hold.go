package proc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const holdPollEvery = 100 * time.Millisecond

// A process stays down while a file of its name is in the instance's folder "hold".

// Hold asks the supervisor of an instance to keep a process down.
func Hold(dir, name string) error {
	if err := os.MkdirAll(filepath.Join(dir, "hold"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(holdFile(dir, name), nil, 0o644)
}

// Release ends a hold, if there is one.
func Release(dir, name string) error {
	if err := os.Remove(holdFile(dir, name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ReleaseAll ends every hold.
func ReleaseAll(dir string) error { return os.RemoveAll(filepath.Join(dir, "hold")) }

func isHeld(dir, name string) bool {
	_, err := os.Stat(holdFile(dir, name))
	return err == nil
}

func holdFile(dir, name string) string { return filepath.Join(dir, "hold", filepath.Base(name)) }
