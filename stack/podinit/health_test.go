package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	status := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if status != http.StatusNoContent {
			_, _ = w.Write([]byte("etcd is down"))
		}
	}))
	defer server.Close()
	if _, err := healthWord(t.Context(), []string{server.URL}); err != nil {
		t.Error(err)
	}
	status = http.StatusServiceUnavailable
	if _, err := healthWord(t.Context(), []string{server.URL}); err == nil || !strings.Contains(err.Error(), "503 etcd is down") {
		t.Errorf("a response of 503: %v", err)
	}
	server.Close()
	if _, err := healthWord(t.Context(), []string{server.URL}); err == nil {
		t.Error("no server, and no error")
	}
}

// TestHealthWithoutNetwork: in a container whose network has ended, which is one with a loopback only.
func TestHealthWithoutNetwork(t *testing.T) {
	if os.Getpid() == 1 { // this test again, as the first process of such a container
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		if _, err := healthWord(t.Context(), []string{"-pod", "http://127.0.0.1:1"}); !errors.Is(err, errNoNetwork) {
			t.Errorf("the health is %v", err)
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("the container was not ended")
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestHealthWithoutNetwork$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v: %s", err, out)
	}
}
