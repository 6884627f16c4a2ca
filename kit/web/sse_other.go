//go:build !linux

package web

import (
	"syscall"
	"time"
)

// boundSilence leaves it to the system how long it waits for the other side.
func boundSilence(syscall.RawConn, time.Duration) {}

// hungUp leaves it to the next writes to find out.
func disconnected(syscall.RawConn) bool { return false }
