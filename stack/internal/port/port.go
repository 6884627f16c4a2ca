// Package port finds the process that listens on a TCP port of this machine.
package port

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Process is a process that listens on a port. PID is 0 when the kernel hides it from this user.
type Process struct {
	PID     int
	Command string
}

func (p Process) String() string {
	if p.PID == 0 {
		return "a process of another user or container"
	}
	return fmt.Sprintf("pid %d (%s)", p.PID, p.Command)
}

// InUse reports whether a process listens on a port, on any address, and which one.
func InUse(port int) (Process, bool) {
	inodes := listening(port)
	if len(inodes) == 0 {
		return Process{}, false
	}
	return owner(inodes), true
}

// AwaitFree waits until a program can listen on a port that no process listens on: the kernel may have given its number
// to an outgoing connection, which holds it until a minute after its end. It calls waiting once if it has to wait, and
// fails when ctx ends.
func AwaitFree(ctx context.Context, port int, waiting func()) error {
	for first := true; ; first = false {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l.Close()
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("port %d is used by a connection of another program: %w", port, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// listening are the socket inodes that listen on the port.
func listening(port int) map[string]bool {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			col := strings.Fields(s.Text())
			if len(col) < 10 || col[3] != "0A" { // 0A: listening
				continue
			}
			_, hex, _ := strings.Cut(col[1], ":")
			if n, err := strconv.ParseInt(hex, 16, 32); err == nil && int(n) == port {
				inodes["socket:["+col[9]+"]"] = true
			}
		}
		f.Close()
	}
	return inodes
}

func owner(inodes map[string]bool) Process {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil && inodes[link] {
			pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
			return Process{PID: pid, Command: command(pid)}
		}
	}
	return Process{}
}

// command is the command line of a process, shortened; its name when it has none.
func command(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return strings.TrimSpace(string(name))
	}
	line := strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
	if len(line) > 100 {
		line = line[:100] + "..."
	}
	return line
}
