package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// reset deletes the data of the platform: databases, messages, secrets, logs. Built programs stay.
func reset(_ context.Context, c command) error {
	if err := platform.CheckStopped(c.Instance); err != nil {
		return err
	}
	if !c.yes && !confirm(c.Dir()) {
		return errors.New("nothing was changed")
	}
	if _, err := proc.EndOrphans(c.Dir()); err != nil {
		return err
	}
	entries, err := filepath.Glob(c.Path("*"))
	for _, path := range entries {
		if filepath.Base(path) != "bin" {
			err = errors.Join(err, os.RemoveAll(path))
		}
	}
	if err == nil {
		fmt.Println("the platform is empty")
	}
	return err
}

func confirm(dir string) bool {
	fmt.Printf("This deletes all data and secrets of the platform in %s.\nType yes to continue: ", dir)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

// tools builds a pinned tool and prints its path.
func tools(ctx context.Context, c command) error {
	if len(c.args) != 1 || c.args[0] != "cli" {
		return errors.New("usage: stack tools cli")
	}
	path, err := program.CLI.Ensure(ctx, c.Instance, progress.New(os.Stderr))
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}
