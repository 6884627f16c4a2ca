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

// reset empties the platform: databases, messages, secrets, logs. Built programs stay.
func reset(_ context.Context, c command) error {
	if pid := platform.Supervisor(c.Instance); pid != 0 {
		return fmt.Errorf("%w (pid %d): stop it first, with `make stop`", platform.ErrRuns, pid)
	}
	if !c.yes && !agree(c.Dir()) {
		return errors.New("nothing was changed")
	}
	if _, err := proc.EndLeftovers(c.Dir()); err != nil {
		return err
	}
	if err := empty(c.Dir()); err != nil {
		return err
	}
	fmt.Println("the platform is empty")
	return nil
}

// empty removes what is in the folder, but for services that were built there.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range entries {
		if e.Name() != "bin" {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func agree(dir string) bool {
	fmt.Printf("This deletes every account, product and order of this platform, and its secrets (%s).\nType yes to go on: ", dir)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.TrimSpace(line) == "yes"
}

// tools builds a pinned tool and prints where it is.
func tools(ctx context.Context, c command) error {
	if len(c.args) != 1 || c.args[0] != "cli" {
		return errors.New("there is one tool to ask for: cli")
	}
	path, err := program.CLI.Ensure(ctx, c.Instance, progress.To(os.Stderr))
	if err != nil {
		return err
	}
	fmt.Println(path)
	return nil
}
