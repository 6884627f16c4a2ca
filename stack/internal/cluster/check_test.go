package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// checkAs makes TestMain a program that lacks something, and prints what Check says.
const checkAs = "CHECK_AS"

// lacks are what a machine may lack, and how a process of its own takes it away from itself.
var lacks = map[string]func() error{
	"nothing":  func() error { return nil },
	"root":     func() error { return nil }, // it is started as another user
	"programs": func() error { return os.Setenv("PATH", "/nowhere") },
	"control groups of version 1": func() error {
		return mount("none", cgroupRoot, "tmpfs", 0, "")
	},
	"overlay": func() error {
		return mount(os.DevNull, "/proc/filesystems", "", unix.MS_BIND, "")
	},
	"namespaces": func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			return err
		}
		data[0].Effective &^= 1 << unix.CAP_SYS_ADMIN
		return unix.Capset(&header, &data[0])
	},
}

func TestMain(m *testing.M) {
	what := os.Getenv(checkAs)
	if what == "" {
		os.Exit(m.Run())
	}
	runtime.LockOSThread() // capabilities are of a thread
	var err error
	if what != "root" { // its mounts are its own
		err = mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = lacks[what]()
	}
	if err != nil {
		fmt.Println("the test failed:", err)
		os.Exit(1)
	}
	fmt.Println(Check())
}

// TestCheck: whatever the machine lacks is named, with what to do.
func TestCheck(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it needs root to take things away")
	}
	if err := Check(); err != nil {
		t.Skip(err)
	}
	for lack, want := range map[string]string{
		"nothing":                     "<nil>",
		"root":                        "needs root (namespaces, mounts, control groups): use sudo",
		"programs":                    "is missing: on Debian 12, apt-get install ",
		"control groups of version 1": "systemd.unified_cgroup_hierarchy=0",
		"overlay":                     "modprobe overlay",
		"namespaces":                  "does not allow new namespaces",
	} {
		t.Run(lack, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), self(t))
			cmd.Env, cmd.Dir = append(os.Environ(), checkAs+"="+lack), "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
			if lack == "root" {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v\n%s\nwant: %s", err, out, want)
			}
			if lack != "nothing" && !strings.Contains(string(out), instead) {
				t.Errorf("it does not say what else to do: %s", out)
			}
		})
	}
}

// self is a copy of this program that every user may start.
func self(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "check") // the parent of t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "check")
	if err := os.WriteFile(path, program, 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return path
}

// TestUnknownImage: no registry can be reached, so an image must be one that is made here.
func TestUnknownImage(t *testing.T) {
	_, err := New(t.TempDir(), nil).imageOf(t.Context(), "registry.example/nginx:1")
	if err == nil || !strings.Contains(err.Error(), "nothing can be pulled here") {
		t.Error(err)
	}
}
