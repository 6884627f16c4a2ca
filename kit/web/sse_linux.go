package web

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boundSilence has the kernel give a connection up whose other side has not answered for so long.
func boundSilence(socket syscall.RawConn, most time.Duration) {
	_ = socket.Control(func(fd uintptr) { // or it is given up later
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(most.Milliseconds()))
	})
}

// disconnected says whether the other side of a connection has closed its end, or the kernel has given it up.
func disconnected(socket syscall.RawConn) bool {
	gone := false
	err := socket.Control(func(fd uintptr) {
		ask := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor is small
		_, err := unix.Poll(ask, 0)
		gone = err == nil && ask[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil // it is closed on our side
}
