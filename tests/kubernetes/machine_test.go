package kubernetes

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sidecart/tests/platform"
)

// machine is what a cluster could leave behind on this machine, outside of its node: interfaces, mounts, and rules of
// Kubernetes' and the network plugins' chains.
func machine(t *testing.T) (all []string) {
	t.Helper()
	interfaces, err := net.Interfaces()
	must(t, err)
	for _, i := range interfaces {
		all = append(all, "interface "+i.Name)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		all = append(all, "mount "+strings.Fields(line)[4])
	}
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		out, err := exec.CommandContext(t.Context(), program).Output()
		if err != nil && !errors.Is(err, exec.ErrNotFound) {
			t.Fatal(err)
		}
		for _, rule := range regexp.MustCompile(`(?m)^.*(KUBE-|CNI-).*$`).FindAllString(string(out), -1) {
			all = append(all, program+" "+rule)
		}
	}
	return all
}

// process is a process of this machine. Numbers are used again, with another start.
type process struct{ pid, start string }

// startOf is when a process began, in ticks since the machine did; "" if it has ended.
func startOf(pid string) string {
	text, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return ""
	}
	_, fields, _ := strings.Cut(string(text), ") ") // after the name, which may have spaces
	return strings.Fields(fields)[19]
}

// node is what the running node consists of, as the machine sees it.
type node struct {
	processes []process // its first one, and all that descend from it
	group     string    // its control groups, in each hierarchy
}

func theNode(t *testing.T) (n node) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), ".sidecart", "kube", "node", "init.json"))
	must(t, err)
	var first struct{ PID int }
	must(t, json.Unmarshal(text, &first))
	groups, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(first.PID), "cgroup"))
	must(t, err)
	if n.group = regexp.MustCompile(`sidecart-kube-\w+`).FindString(string(groups)); n.group == "" {
		t.Errorf("the node has no control group: %s", groups)
	}
	status, err := filepath.Glob("/proc/[0-9]*/status")
	must(t, err)
	children := map[string][]string{}
	for _, path := range status {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if parent := regexp.MustCompile(`(?m)^PPid:\s+(\d+)$`).FindSubmatch(text); parent != nil {
			children[string(parent[1])] = append(children[string(parent[1])], filepath.Base(filepath.Dir(path)))
		}
	}
	for next := []string{strconv.Itoa(first.PID)}; len(next) > 0; next = next[1:] {
		n.processes = append(n.processes, process{next[0], startOf(next[0])})
		next = append(next, children[next[0]]...)
	}
	if len(n.processes) < 20 {
		t.Errorf("the node has only %d processes", len(n.processes))
	}
	return n
}

// nothingLeft: no process or control group of the node is left, and nothing new is on the machine.
func nothingLeft(t *testing.T, before []string, n node) {
	t.Helper()
	// The parent of a process that has ended collects it a moment later. Other programs of this machine may add an
	// interface or a mount for a moment.
	platform.Eventually(t, 10*time.Second, func() (err error) {
		groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + n.group)
		for _, group := range groups {
			err = errors.Join(err, errors.New("left: control group "+group))
		}
		for _, p := range n.processes {
			if start := startOf(p.pid); start != "" && start == p.start {
				err = errors.Join(err, errors.New("left: process "+p.pid))
			}
		}
		for _, now := range machine(t) {
			if !slices.Contains(before, now) {
				err = errors.Join(err, errors.New("left: "+now))
			}
		}
		return err
	})
}
