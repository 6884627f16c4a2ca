package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// cgroups are the control group hierarchies of a node.
var cgroups = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd"}

const cgroupRoot = "/sys/fs/cgroup"

// instead is what to do on a machine that cannot have a node.
const instead = "to use a cluster of your own instead: kubectl apply -k deploy/kubernetes/overlays/local"

// Check fails when this machine cannot run a node, and says what to do.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("a Kubernetes node needs root (namespaces, mounts, control groups): use sudo, or a privileged " +
			"container; " + instead)
	}
	var missing []string
	for _, c := range cgroups {
		if !isFile(filepath.Join(cgroupRoot, c, "cgroup.procs")) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("this machine has no control group hierarchies of version 1 for %s in %s: boot it with "+
			"systemd.unified_cgroup_hierarchy=0 (version 2 was not tried); %s", strings.Join(missing, ", "), cgroupRoot, instead)
	}
	for name, pkg := range map[string]string{
		"nsenter": "util-linux", "mount": "mount", "ip": "iproute2", "apt-get": "apt", "dpkg": "dpkg",
	} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is missing: on Debian 12, apt-get install %s; %s", name, pkg, instead)
		}
	}
	types, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(types), "\toverlay\n") {
		return fmt.Errorf("this kernel has no overlay file system: modprobe overlay; %s", instead)
	}
	cmd := exec.Command("true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces | syscall.CLONE_NEWCGROUP}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("this machine does not allow new namespaces (%w): in a container, it must be privileged; %s",
			err, instead)
	}
	return nil
}
