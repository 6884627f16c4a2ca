package kubernetes

import (
	"encoding/json"
	"errors"
	"io/fs"
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

// nodeSpaces are the namespaces of the running node.
func nodeSpaces(t *testing.T) (spaces []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), ".sidecart", "kube", "node", "init.json"))
	must(t, err)
	var first struct{ PID int }
	must(t, json.Unmarshal(text, &first))
	for _, kind := range []string{"pid", "net", "mnt"} {
		space, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(first.PID), "ns", kind))
		must(t, err)
		spaces = append(spaces, space)
	}
	return spaces
}

// nothingLeft: no process has a namespace of the node, and nothing new is on the machine.
func nothingLeft(t *testing.T, before, node []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/*")
	must(t, err)
	for _, link := range links {
		space, err := os.Readlink(link)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			continue // it ends
		}
		if slices.Contains(node, space) {
			t.Errorf("a process is left in the node: %s", link)
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
