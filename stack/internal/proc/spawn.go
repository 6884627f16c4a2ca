package proc

import (
	"os/exec"
	"runtime"
	"sync"
)

// A child may ask the kernel to be ended with its parent (Pdeathsig). The kernel takes "parent" to be the thread that
// forked, so every child is started from one goroutine that keeps its thread for as long as the program lives.
var (
	spawner  sync.Once
	requests chan spawn
)

type spawn struct {
	cmd    *exec.Cmd
	result chan error
}

// Start starts a command from the thread whose end its Pdeathsig would tell.
func Start(cmd *exec.Cmd) error {
	spawner.Do(func() {
		requests = make(chan spawn)
		go func() {
			runtime.LockOSThread()
			for r := range requests {
				r.result <- r.cmd.Start()
			}
		}()
	})
	result := make(chan error, 1)
	requests <- spawn{cmd, result}
	return <-result
}

// Run is Start and Wait.
func Run(cmd *exec.Cmd) error {
	if err := Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}
