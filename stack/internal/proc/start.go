package proc

import (
	"os/exec"
	"runtime"
	"sync"
)

type startRequest struct {
	cmd    *exec.Cmd
	result chan error
}

// starter is a goroutine that keeps its thread until the program exits. To the kernel, a child's parent is the thread
// that forked it: a child with Pdeathsig would be killed when that thread ends.
var starter = sync.OnceValue(func() chan<- startRequest {
	requests := make(chan startRequest)
	go func() {
		runtime.LockOSThread()
		for r := range requests {
			r.result <- r.cmd.Start()
		}
	}()
	return requests
})

// Start starts a command whose Pdeathsig is sent when this program exits, and not before.
func Start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	starter() <- startRequest{cmd, result}
	return <-result
}

// Run is Start and Wait.
func Run(cmd *exec.Cmd) error {
	if err := Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}
