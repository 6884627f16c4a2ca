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

// machine is what a cluster could leave behind on this machine, outside of its node: interfaces, mounts, control
// groups, and rules of Kubernetes' and the network plugins' chains.
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
	groups, err := filepath.Glob("/sys/fs/cgroup/*/sidecart-kube-*")
	must(t, err)
	for _, group := range groups {
		all = append(all, "control group "+group)
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

// nodeProcesses are the processes of the running node: its first one, and all that descend from it.
func nodeProcesses(t *testing.T) (all []process) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), ".sidecart", "kube", "node", "init.json"))
	must(t, err)
	var first struct{ PID int }
	must(t, json.Unmarshal(text, &first))
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
		all = append(all, process{next[0], startOf(next[0])})
		next = append(next, children[next[0]]...)
	}
	if len(all) < 20 {
		t.Errorf("the node has only %d processes", len(all))
	}
	return all
}

// nothingLeft: no process of the node runs, and nothing new is on the machine.
func nothingLeft(t *testing.T, before []string, node []process) {
	t.Helper()
	for _, p := range node {
		if start := startOf(p.pid); start != "" && start == p.start {
			t.Errorf("the process %s is left", p.pid)
		}
	}
	// Other programs of this machine may add an interface or a mount for a moment.
	platform.Eventually(t, 10*time.Second, func() (err error) {
		for _, now := range machine(t) {
			if !slices.Contains(before, now) {
				err = errors.Join(err, errors.New("left: "+now))
			}
		}
		return err
	})
}
