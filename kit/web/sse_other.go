//go:build !linux

package web

import (
	"syscall"
	"time"
)

// setUserTimeout keeps the timeout of the system.
func setUserTimeout(syscall.RawConn, time.Duration) {}

// disconnected always reports false here: the next Write fails.
func disconnected(syscall.RawConn) bool { return false }
