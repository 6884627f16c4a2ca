package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
)

// copyWord puts this program into a volume, so that the image of Dapr's sidecar can be used as it is: its container
// mounts the volume and starts podinit.
func copyWord(_ context.Context, args []string) (int, error) {
	args, err := options("copy", args, 1, func(*flag.FlagSet) {})
	if err != nil {
		return 0, err
	}
	return 0, copyProgram(filepath.Join(args[0], "podinit"))
}

// copyProgram replaces the file atomically: a container may be starting the one that is there.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self) //nolint:gosec // this program
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.CreateTemp(filepath.Dir(to), ".podinit-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Chmod(0o755), f.Close()); err != nil { //nolint:gosec // a program for every user
		return err
	}
	return os.Rename(f.Name(), to)
}
