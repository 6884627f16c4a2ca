package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// How long a process may take to stop. A service finishes its requests within 8 s; then its sidecar ends within 3.
var (
	serviceGrace = 12 * time.Second
	sidecarGrace = 8 * time.Second
)

// runWord runs a service and its sidecar in one container: where containers cannot share a network (Swarm), or where
// one fails only with the other (ECS).
func runWord(ctx context.Context, args []string) (int, error) {
	var dir, app string
	args, err := options("run", args, -1, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", mounted, "folder of the container's secrets")
		f.StringVar(&app, "app", "/app", "the service's program")
	})
	if err != nil {
		return 0, err
	}
	env, err := sidecarEnv(ctx, dir, args[1:])
	if err != nil {
		return 0, err
	}
	args, own := withAddress(args, os.Environ(), env)
	var p pair
	if p.sidecar, err = start(args, env); err != nil {
		return 0, err
	}
	// The service's tokens stay in their files: kit reads them.
	p.service, err = start([]string{app}, append(own,
		"DAPR_API_TOKEN_FILE="+filepath.Join(dir, daprTokenFile), "APP_API_TOKEN_FILE="+filepath.Join(dir, appTokenFile)))
	ended := waitForChildren()
	if err != nil {
		stop(p.sidecar, "the sidecar", sidecarGrace, ended)
		return 0, err
	}
	return p.run(ctx, ended), nil
}

// hostIP stands for the address of this container in the network of sidecars, which is known only when it runs. Ports
// for sidecars and for operators listen there, and not in the networks of clients and databases.
const hostIP = "$(DAPR_HOST_IP)"

// withAddress replaces hostIP in arguments and environments.
func withAddress(args, environ, sidecarEnv []string) (newArgs, newEnviron []string) {
	address := ""
	for _, variable := range sidecarEnv {
		if ip, ok := strings.CutPrefix(variable, "DAPR_HOST_IP="); ok {
			address = ip
		}
	}
	replace := func(all []string) (replaced []string) {
		for _, text := range all {
			replaced = append(replaced, strings.ReplaceAll(text, hostIP, address))
		}
		return replaced
	}
	return replace(args), replace(environ)
}

// pair are the processes of a pod.
type pair struct{ service, sidecar int }

// exit is a process that ended, and its exit status as a shell has it.
type exit struct{ pid, status int }

// run returns the exit status: 0 only after SIGTERM. The service ends first, with its sidecar still there to finish
// requests with. If one of the two ends by itself, the other is stopped: the container ends and restarts as a whole.
func (p pair) run(ctx context.Context, ended <-chan exit) (status int) {
	for stopping := false; !stopping && p.service != 0 && p.sidecar != 0; {
		select {
		case <-ctx.Done():
			stopping = true
		case e := <-ended:
			switch e.pid { // others came to this process when their parents ended
			case p.service:
				p.service, status = 0, max(e.status, 1)
				log.Printf("podinit: the service ended with status %d; its sidecar is stopped", e.status)
			case p.sidecar:
				p.sidecar, status = 0, max(e.status, 1)
				log.Printf("podinit: the sidecar ended with status %d; the service is stopped", e.status)
			}
		}
	}
	stop(p.service, "the service", serviceGrace, ended)
	stop(p.sidecar, "the sidecar", sidecarGrace, ended)
	return status
}

func start(command, env []string) (pid int, err error) {
	program, err := exec.LookPath(command[0])
	if err != nil {
		return 0, err
	}
	pid, err = syscall.ForkExec(program, command, &syscall.ProcAttr{
		Env: env, Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, &os.PathError{Op: "start", Path: program, Err: err}
	}
	return pid, nil
}

// stop stops a process and waits for its end; pid 0 has ended already.
func stop(pid int, name string, grace time.Duration, ended <-chan exit) {
	if pid == 0 {
		return
	}
	_ = syscall.Kill(pid, syscall.SIGTERM) // fails if it just ended
	killed := time.After(grace)
	for {
		select {
		case e, ok := <-ended:
			if !ok || e.pid == pid {
				return
			}
		case <-killed:
			log.Printf("podinit: %s did not stop within %s and is killed", name, grace)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// waitForChildren reports every process that ends, also orphans of others: the first process of a container is their
// parent, and they stay as zombies until it has waited for them. The channel ends with the last process.
func waitForChildren() <-chan exit {
	ended := make(chan exit, 8)
	go func() {
		defer close(ended)
		for {
			var ws syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &ws, 0, nil)
			switch {
			case errors.Is(err, syscall.EINTR):
			case err != nil:
				return
			case ws.Signaled():
				ended <- exit{pid, 128 + int(ws.Signal())}
			default:
				ended <- exit{pid, ws.ExitStatus()}
			}
		}
	}()
	return ended
}
