package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"sidecart/stack/internal/progress"
)

// Init is the first process of the node. It enters the node's control groups, and starts itself again as a process
// whose namespace of control groups begins there: the kernel takes the root of such a namespace from the process that
// makes it. Then it mounts what the node's programs expect, and keeps them running. It never returns nil.
func Init(root, node, stage string) error {
	c := New(root, progress.New(os.Stderr))
	c.node, c.serverOnly = node, node == apiNode
	if stage == "1" {
		return c.enterGroups()
	}
	if err := c.mount(); err != nil {
		return err
	}
	if err := c.network(); err != nil {
		return err
	}
	// Containers see mounts that the node makes later, such as their volumes.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return err
	}
	if err := os.WriteFile(c.in("ready"), nil, 0o600); err != nil {
		return err
	}
	return c.supervise()
}

func (c *Cluster) enterGroups() error {
	for _, hierarchy := range cgroups {
		procs := filepath.Join(cgroupRoot, hierarchy, c.group(), "cgroup.procs")
		if err := os.WriteFile(procs, []byte("0"), 0o600); err != nil {
			return err
		}
	}
	runtime.LockOSThread() // the thread that has the new namespace is the one that remains
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return err
	}
	return syscall.Exec(os.Args[0], []string{os.Args[0], "kube-init", c.node, "2"}, os.Environ())
}

// kernelSettings are global settings that kubelet would write: it gets files of its own.
var kernelSettings = map[string]string{
	"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
}

func (c *Cluster) mount() error {
	const safe = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	err := errors.Join(
		mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		mount("proc", "/proc", "proc", safe, ""),
		mount("sysfs", "/sys", "sysfs", safe, ""),
		mount("cgroup", cgroupRoot, "tmpfs", safe, "mode=755"),
	)
	if err != nil {
		return err
	}
	for _, hierarchy := range cgroups {
		dir, options := filepath.Join(cgroupRoot, hierarchy), hierarchy
		if hierarchy == "systemd" {
			options = "none,name=systemd"
		}
		if err := errors.Join(os.Mkdir(dir, 0o755), mount("cgroup", dir, "cgroup", safe, options)); err != nil {
			return err
		}
	}
	clone := filepath.Join(cgroupRoot, "cpuset", "cgroup.clone_children")
	if err := os.WriteFile(clone, []byte("1"), 0o600); err != nil {
		return err
	}
	for name, value := range kernelSettings {
		file := c.in("etc", filepath.Base(name))
		if err := errors.Join(os.WriteFile(file, []byte(value+"\n"), 0o600), bind(file, "/proc/sys/"+name)); err != nil {
			return err
		}
	}
	resolv, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return err
	}
	return errors.Join(
		bind(c.in("var-lib"), "/var/lib"), bind(c.in("var-log"), "/var/log"),
		bind(c.in("etc", "hosts"), "/etc/hosts"), bind(c.in("etc", "resolv.conf"), resolv),
		mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"),
	)
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, target, err)
	}
	return nil
}

func bind(source, target string) error { return mount(source, target, "", unix.MS_BIND, "") }

// network makes an address of the node. The interface is a bridge, which every kernel that runs containers has.
func (c *Cluster) network() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "node0", "type", "bridge"},
		{"addr", "add", NodeAddress + "/24", "dev", "node0"},
		{"link", "set", "node0", "up"},
		{"route", "add", "default", "via", NodeAddress, "dev", "node0"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return errors.Join(unix.Sethostname([]byte(nodeName)),
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600))
}
