package web

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout has the kernel close a connection whose sent data stays unacknowledged for that long.
func setUserTimeout(conn syscall.RawConn, timeout time.Duration) {
	_ = conn.Control(func(fd uintptr) { // without it, the kernel closes the connection later
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(timeout.Milliseconds()))
	})
}

// disconnected reports whether the client or the kernel has closed the connection.
func disconnected(socket syscall.RawConn) bool {
	closed := false
	err := socket.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor is small
		_, err := unix.Poll(poll, 0)
		closed = err == nil && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return closed || err != nil // an error: closed by this side
}
