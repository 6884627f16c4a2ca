package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/proc"
)

// logs follows the logs of the named services and their sidecars until Ctrl-C. Each line begins with the process's
// name.
func logs(ctx context.Context, c command) error {
	if len(c.args) == 0 {
		return errors.New("name a service, for example: make logs SERVICE=orders")
	}
	var all []*follower
	for _, name := range c.args {
		for _, n := range []string{name, platform.SidecarName(name)} {
			if info, err := os.Stat(c.Log(n)); err == nil {
				offset := info.Size() - int64(len(proc.Tail(c.Log(n), 8<<10)))
				all = append(all, &follower{path: c.Log(n), prefix: n + " | ", offset: offset})
			}
		}
	}
	if len(all) == 0 {
		names, _ := filepath.Glob(c.Path("logs", "*.log"))
		for i, path := range names {
			names[i] = strings.TrimSuffix(filepath.Base(path), ".log")
		}
		return fmt.Errorf("no log of %s; there are: %s", strings.Join(c.args, ", "), strings.Join(names, ", "))
	}
	for ctx.Err() == nil {
		for _, f := range all {
			f.print()
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// follower prints lines added to a file.
type follower struct {
	path, prefix string
	offset       int64
	partial      string // a line without its end yet
}

func (f *follower) print() {
	file, err := os.Open(f.path)
	if err != nil {
		return
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() < f.offset {
		f.offset, f.partial = 0, "" // it was truncated
	}
	if _, err := file.Seek(f.offset, io.SeekStart); err != nil {
		return
	}
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadString('\n')
		f.offset += int64(len(line))
		if err != nil {
			f.partial += line
			return
		}
		fmt.Print(f.prefix, f.partial, line)
		f.partial = ""
	}
}
