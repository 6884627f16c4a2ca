package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sidecart/tests/platform"
)

// The environment variables between the three processes.
const (
	modeVariable    = "SIDECART_CONTAINERS"
	cgroupVariable  = "SIDECART_CONTAINERS_CGROUP"
	networkVariable = "SIDECART_CONTAINERS_NETWORK" // the machine's network namespace
)

// dns is the name server of slirp4netns: it forwards to the one of the machine.
const dns = "10.0.2.3"

// folder is where the engine's data and images remain between runs.
func folder() string { return filepath.Join("..", "..", ".sidecart", "containers") }

// Sandbox runs this program again as process 1 of new namespaces, and returns its exit code. It fails when anything of
// it remains on the machine.
func Sandbox(timeout time.Duration) (int, error) {
	dir, err := filepath.Abs(folder())
	if err != nil {
		return 1, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 1, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 1, err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 1, fmt.Errorf("another `make test-containers` runs in this folder (%s): %w", lock.Name(), err)
	}
	removeCgroups() // those of a run that was killed
	before := observe()
	code, err := enter(timeout)
	removeCgroups()
	return code, errors.Join(err, before.changes(observe()))
}

// enter runs process 1 and, beside it, the program that connects its network with the machine's.
func enter(timeout time.Duration) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	first := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 1, err
	}
	first.Env = append(os.Environ(), modeVariable+"=init", cgroupVariable+"="+cgroup(), networkVariable+"="+network)
	first.Stdout, first.Stderr = os.Stdout, os.Stderr
	first.Cancel = func() error { return first.Process.Signal(syscall.SIGTERM) }
	first.WaitDelay = 30 * time.Second // then it is killed, and the kernel ends all others in the sandbox
	first.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true, // an interrupt of the terminal arrives once, from us
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := platform.StartBound(first); err != nil {
		return 1, fmt.Errorf("make namespaces: %w", err)
	}
	way := exec.CommandContext(ctx, "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback",
		strconv.Itoa(first.Process.Pid), "tap0")
	way.Stderr, way.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Setpgid: true}
	if err := platform.StartBound(way); err != nil {
		cancel()
		return 1, errors.Join(err, first.Wait())
	}
	err = first.Wait()
	cancel()
	_ = way.Wait() // ended by us
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return max(1, exit.ExitCode()), nil
	}
	return 0, err
}

// cgroup is the parent of all cgroups of the engine; it names our process.
func cgroup() string { return "sidecart-containers-" + strconv.Itoa(os.Getpid()) }

// cgroups finds the engine's cgroups, in each hierarchy, children first.
func cgroups() (all []string) {
	for _, pattern := range []string{"/sys/fs/cgroup/sidecart-containers-*", "/sys/fs/cgroup/*/sidecart-containers-*"} {
		roots, _ := filepath.Glob(pattern)
		for _, root := range roots {
			_ = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					all = append([]string{path}, all...)
				}
				return nil
			})
		}
	}
	return all
}

// removeCgroups removes empty cgroups: the kernel takes a moment to see that their processes have ended.
func removeCgroups() {
	for deadline := time.After(5 * time.Second); ; {
		all := cgroups()
		for _, path := range all {
			_ = os.Remove(path)
		}
		if len(all) == 0 {
			return
		}
		select {
		case <-deadline:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// machine is what an engine could change on the machine.
type machine struct {
	engines int // other engines and clusters on this machine: they change it, too
	state   map[string]string
}

// observe looks at processes, mounts, cgroups, network devices, rules of iptables and forwarding.
func observe() machine {
	m := machine{state: map[string]string{}}
	run := func(what, name string, args ...string) {
		out, err := exec.CommandContext(context.Background(), name, args...).Output()
		if err != nil {
			out = []byte(err.Error())
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ":INPUT") && !strings.HasPrefix(line, ":OUTPUT") {
				lines = append(lines, line)
			}
		}
		m.state[what] = strings.Join(lines, "")
	}
	run("devices", "ip", "-brief", "link")
	run("rules", "iptables-save")
	run("rules of IPv6", "ip6tables-save")
	forward, _ := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	m.state["ip_forward"] = string(forward)
	m.state["cgroups"] = strings.Join(cgroups(), "\n")
	m.state["mounts"], m.state["processes"] = mounts(), ""
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		if name, _ := os.ReadFile(p + "/comm"); string(name) == "dockerd\n" || string(name) == "kubelet\n" {
			m.engines++
		}
		environment, _ := os.ReadFile(p + "/environ")
		if strings.Contains(string(environment), cgroupVariable+"="+cgroup()) {
			line, _ := os.ReadFile(p + "/cmdline")
			m.state["processes"] += p + " " + strings.ReplaceAll(string(line), "\x00", " ") + "\n"
		}
	}
	return m
}

// mounts are the mounts that name our folder.
func mounts() string {
	dir, _ := filepath.Abs(folder())
	all, _ := os.ReadFile("/proc/self/mounts")
	var ours []string
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, dir) {
			ours = append(ours, line)
		}
	}
	return strings.Join(ours, "")
}

// changes is an error that shows what has changed. The network of a machine on which another engine or a cluster runs
// changes without us, so it is not compared there.
func (m machine) changes(after machine) (err error) {
	names := []string{"processes", "mounts", "cgroups"}
	if m.engines+after.engines == 0 {
		names = append(names, "devices", "rules", "rules of IPv6", "ip_forward")
	} else {
		fmt.Fprintln(os.Stderr, "another engine or a cluster runs on this machine: its network is not compared with before")
	}
	for _, name := range names {
		if m.state[name] != after.state[name] {
			err = errors.Join(err, fmt.Errorf("%s of this machine changed:\nbefore:\n%s\nafter:\n%s",
				name, m.state[name], after.state[name]))
		}
	}
	return err
}
