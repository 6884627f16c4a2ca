package platform

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// start is a command to be started, and where the result is wanted.
type start struct {
	cmd    *exec.Cmd
	result chan<- error
}

// starts are taken by one goroutine that keeps its thread for as long as the program lives: to the kernel, the thread
// that starts a process is its parent.
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

// StartBound starts a command that the kernel asks to stop (SIGTERM) when this program ends, however it ends.
func StartBound(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	result := make(chan error)
	starts() <- start{cmd, result}
	return <-result
}
