package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphans are the processes of an instance that outlived its supervisor: those with its Marker in their environment,
// and database servers whose working folder is in its folder (they overwrite their environment with a title).
func orphans(dir string) []int {
	var pids []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && pid != os.Getpid() && (hasMarker(pid, dir) || isServerIn(pid, dir)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func hasMarker(pid int, dir string) bool {
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return bytes.Contains(append([]byte{0}, env...), []byte("\x00"+Marker+"="+dir+"\x00"))
}

func isServerIn(pid int, dir string) bool {
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

// EndOrphans ends the processes that an earlier run of the instance left behind: servers get two seconds to close their
// files, then all are killed. It returns how many there were, and fails when one does not exit.
func EndOrphans(dir string) (int, error) {
	found := orphans(dir)
	for _, pid := range found {
		sig := syscall.SIGKILL
		if isServerIn(pid, dir) {
			sig = syscall.SIGQUIT // Postgres ends its children and recovers at its next start
		}
		_ = syscall.Kill(pid, sig)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		rest := orphans(dir)
		switch waited := time.Since(began); {
		case len(rest) == 0:
			return len(found), nil
		case waited > 10*time.Second:
			return len(found), fmt.Errorf("processes of an earlier run do not exit: %v", rest)
		case waited > 2*time.Second:
			for _, pid := range rest {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// Exists reports whether a process with this ID runs (a zombie does not).
func Exists(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	return ok && !strings.HasPrefix(rest, "Z")
}
