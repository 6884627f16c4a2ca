package platform

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// start is a request to start a command.
type start struct {
	cmd    *exec.Cmd
	result chan<- error
}

// starts goes to one goroutine that keeps its thread until the program exits: to the kernel, the thread that starts a
// process is its parent.
var starts = sync.OnceValue(func() chan<- start {
	all := make(chan start)
	go func() {
		runtime.LockOSThread()
		for s := range all {
			s.result <- s.cmd.Start()
		}
	}()
	return all
})

// StartBound starts a command that gets SIGTERM from the kernel when this program exits.
func StartBound(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	result := make(chan error)
	starts() <- start{cmd, result}
	return <-result
}
