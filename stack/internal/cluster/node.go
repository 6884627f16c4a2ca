package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// namespaces of the node. That of its control groups comes later: see Init.
const namespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS |
	syscall.CLONE_NEWIPC

// first is the first process of the node. The kernel ends all processes of the node with it.
type first struct {
	PID     int
	Started string // by the kernel's clock: the number may have been given to another process since
}

// startNode starts the node's first process, and returns when the node's mounts and network are there.
func (c *Cluster) startNode(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := c.makeGroups(); err != nil {
		return err
	}
	out, err := os.Create(c.logFile("init"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(self, "kube-init", c.node, "1") // no context: the node outlives this program
	cmd.Dir, cmd.Env = c.Root, append(os.Environ(), c.nodeEnv()...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces, Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	text, err := json.Marshal(first{PID: cmd.Process.Pid, Started: startTime(cmd.Process.Pid)})
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.in("init.json"), text, 0o600); err != nil {
		return err
	}
	return eventually(ctx, 20*time.Second, func() error {
		select {
		case err := <-exited:
			log, _ := os.ReadFile(c.logFile("init"))
			return fmt.Errorf("the node's first process ended: %w\n%s", err, log)
		default:
		}
		_, err := os.Stat(c.in("ready"))
		return err
	})
}

// makeGroups makes the node's control groups.
func (c *Cluster) makeGroups() error {
	for _, hierarchy := range cgroups {
		dir := filepath.Join(cgroupRoot, hierarchy, c.group())
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if hierarchy != "cpuset" {
			continue
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(cgroupRoot, hierarchy, file))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeGroups removes them, which works once their processes have ended.
func (c *Cluster) removeGroups() (err error) {
	for _, hierarchy := range cgroups {
		root := filepath.Join(cgroupRoot, hierarchy, c.group())
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil //nolint:nilerr // what has been removed needs no removal
		})
		for n := len(dirs) - 1; n >= 0; n-- {
			if e := os.Remove(dirs[n]); e != nil && !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

// Running reports whether the node's first process runs.
func (c *Cluster) Running() bool { return c.initPID() != 0 }

// initPID is the number of the node's first process, or 0.
func (c *Cluster) initPID() int {
	var f first
	text, err := os.ReadFile(c.in("init.json"))
	if err != nil || json.Unmarshal(text, &f) != nil || f.Started == "" || startTime(f.PID) != f.Started {
		return 0
	}
	return f.PID
}

// startTime is when a process started, or empty: field 22 of its stat file, the 20th after the name in parentheses.
func startTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// Stop ends the node, and everything in it. Network, mounts and rules of the node vanish with it. Logs of the node
// stay, and for the next start programs and images.
func (c *Cluster) Stop() error {
	if pid := c.initPID(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("end the node's first process, %d: %w", pid, err)
		}
	}
	err := eventually(context.Background(), 30*time.Second, func() error {
		if pid := c.initPID(); pid != 0 {
			return fmt.Errorf("the node's first process, %d, does not end", pid)
		}
		return c.removeGroups()
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"pki", "etc", "var-log", "var-lib", "pids", "ready", "init.json"} {
		err = errors.Join(err, os.RemoveAll(c.in(name)))
	}
	return err
}
