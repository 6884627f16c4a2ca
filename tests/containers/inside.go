package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Init is process 1 of the sandbox: it makes the mounts, runs this program once more, and reaps every process until
// that one has ended. It returns its exit code.
func Init() (int, error) {
	if err := mountAll(); err != nil {
		return 1, err
	}
	if err := awaitNetwork(); err != nil {
		return 1, err
	}
	environment := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PATH=") && !strings.HasPrefix(v, modeVariable+"=") && !strings.HasPrefix(v, "DOCKER_") &&
			!strings.HasPrefix(v, "COMPOSE_") {
			environment = append(environment, v)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	child, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{
		Env:   append(environment, modeVariable+"=tests"),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 1, err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for range signals {
			_ = syscall.Kill(child, syscall.SIGTERM)
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1, err
		case pid == child && status.Signaled():
			return 1, fmt.Errorf("the tests were ended by %s", status.Signal())
		case pid == child:
			return status.ExitStatus(), nil
		}
	}
}

// mountAll hides from the engine what it would write on the machine: sockets in /run, a key in /etc/docker, an empty
// /opt/containerd.
func mountAll() error {
	mount := func(source, target, kind string, flags uintptr, data string) error {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
		return nil
	}
	if err := errors.Join(
		mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		mount("proc", "/proc", "proc", 0, ""),
		mount("tmpfs", "/run", "tmpfs", 0, "mode=755"),
	); err != nil {
		return err
	}
	for _, name := range []string{"etc", "opt"} {
		upper, work := "/run/private/"+name, "/run/private/"+name+".work"
		err := errors.Join(os.MkdirAll("/"+name, 0o755), os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755))
		if err == nil {
			err = mount("overlay", "/"+name, "overlay", 0, "lowerdir=/"+name+",upperdir="+upper+",workdir="+work)
		}
		if err != nil {
			return err
		}
	}
	_ = os.Remove("/etc/resolv.conf") // it may be a link
	_ = os.Remove("/etc/docker/daemon.json")
	return os.WriteFile("/etc/resolv.conf", []byte("nameserver "+dns+"\n"), 0o644)
}

// awaitNetwork brings the loopback up and waits for slirp4netns.
func awaitNetwork() error {
	if _, err := run(context.Background(), "", nil, "ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	for deadline := time.After(10 * time.Second); ; {
		if tap, err := net.InterfaceByName("tap0"); err == nil {
			if addresses, err := tap.Addrs(); err == nil && len(addresses) > 0 && addresses[0].String() == "10.0.2.100/24" {
				return nil
			}
		}
		select {
		case <-deadline:
			return errors.New("slirp4netns gave the sandbox no network within 10 s; its messages are above")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
