package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

var errNoNetwork = errors.New("the network of the pod has ended with the container that held it; " +
	"this container ends, and the engine restarts it in the pod's new network")

// healthWord is the health check of containers whose image has no program for it. With -pod it ends the container when
// its network has ended: a container keeps the network of the one that it joined, also when that one has restarted with
// a new network. It would run for ever without a connection.
func healthWord(ctx context.Context, args []string) (int, error) {
	pod := false
	args, err := options("health", args, 1, func(f *flag.FlagSet) {
		f.BoolVar(&pod, "pod", false, "end the container when the network that it joined has ended")
	})
	if err != nil {
		return 0, err
	}
	if pod {
		alive, err := hasNetwork()
		if err == nil && !alive {
			err = errors.Join(errNoNetwork, syscall.Kill(1, syscall.SIGTERM))
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, request(ctx, args[0])
}

// hasNetwork reports whether there is another interface than the loopback.
func hasNetwork() (bool, error) {
	all, err := net.Interfaces()
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			return true, nil
		}
	}
	return false, err
}

// request fails without a response of 2xx within 4 s.
func request(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the operator's own URL
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req) //nolint:gosec // the same
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(res.Body, 2<<10))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %d %s", url, res.StatusCode, strings.TrimSpace(string(body)))
	}
	return err
}
