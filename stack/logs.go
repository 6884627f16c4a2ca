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

// logs follows what the named services and their sidecars write, each line after the name of its writer, until Ctrl-C.
func logs(ctx context.Context, c command) error {
	if len(c.args) == 0 {
		return errors.New("which one? for instance: make logs SERVICE=orders")
	}
	var all []*follower
	for _, name := range c.args {
		for _, n := range []string{name, platform.SidecarName(name)} {
			if _, err := os.Stat(c.Log(n)); err == nil {
				all = append(all, &follower{path: c.Log(n), name: n})
			}
		}
	}
	if len(all) == 0 {
		have, _ := filepath.Glob(c.Path("logs", "*.log"))
		for i, h := range have {
			have[i] = strings.TrimSuffix(filepath.Base(h), ".log")
		}
		return fmt.Errorf("no log of %s; there are: %s", strings.Join(c.args, ", "), strings.Join(have, ", "))
	}
	for _, f := range all {
		f.skipTo(8 << 10)
	}
	for ctx.Err() == nil {
		for _, f := range all {
			f.print(f.name + " | ")
		}
		time.Sleep(200 * time.Millisecond)
	}
	return nil
}

// follower prints what is added to a file.
type follower struct {
	path, name string
	at         int64
	rest       string // a line without its end yet
}

// skipTo leaves out all but about the last n bytes.
func (f *follower) skipTo(n int64) {
	if info, err := os.Stat(f.path); err == nil {
		f.at = info.Size() - int64(len(proc.Tail(f.path, n)))
	}
}

func (f *follower) print(prefix string) {
	file, err := os.Open(f.path)
	if err != nil {
		return
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() < f.at {
		f.at, f.rest = 0, "" // it began anew
	}
	if _, err := file.Seek(f.at, io.SeekStart); err != nil {
		return
	}
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadString('\n')
		f.at += int64(len(line))
		if err != nil {
			f.rest += line
			return
		}
		fmt.Print(prefix, f.rest, line)
		f.rest = ""
	}
}
