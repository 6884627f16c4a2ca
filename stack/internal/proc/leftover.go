package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Leftovers are the processes of an instance that outlived its supervisor: those that carry its Marker, and database
// servers that work in its folder (they overwrite their environment with a title).
func Leftovers(dir string) []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if marked(pid, dir) || serverIn(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func marked(pid int, dir string) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	return strings.Contains("\x00"+string(env)+"\x00", "\x00"+Marker+"="+dir+"\x00")
}

func serverIn(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || !strings.HasPrefix(cwd, dir+"/") {
		return false
	}
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	switch filepath.Base(strings.TrimSuffix(exe, " (deleted)")) {
	case "postgres", "redis-server", "redis-check-rdb", "valkey-server":
		return true
	}
	return false
}

// EndLeftovers ends them: servers get a moment to close their files, then all are killed. It reports how many there were
// and fails when one does not go.
func EndLeftovers(dir string) (int, error) {
	found := Leftovers(dir)
	for _, pid := range found {
		sig := syscall.SIGKILL
		if serverIn(pid, dir) {
			sig = syscall.SIGQUIT // Postgres ends its own children at once and recovers at its next start
		}
		_ = syscall.Kill(pid, sig)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		rest := Leftovers(dir)
		if len(rest) == 0 {
			return len(found), nil
		}
		if time.Since(began) > 10*time.Second {
			return len(found), fmt.Errorf("processes of an earlier run do not end: %v", rest)
		}
		if time.Since(began) > 2*time.Second {
			for _, pid := range rest {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// Exists says whether a process with this ID runs (a zombie does not).
func Exists(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	return ok && !strings.HasPrefix(rest, "Z")
}
