package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/template"
)

// mounted is where a container finds its secrets.
const mounted = "/run/sidecart"

// startTimeout is how long a sidecar waits for its secrets and for the name of placement.
const startTimeout = 2 * time.Minute

func sidecarWord(ctx context.Context, args []string) (int, error) {
	var dir string
	args, err := options("sidecar", args, -1, func(f *flag.FlagSet) {
		f.StringVar(&dir, "dir", mounted, "folder of the container's secrets")
	})
	if err != nil {
		return 0, err
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return 0, err
	}
	env, err := sidecarEnv(ctx, dir, args[1:])
	if err != nil {
		return 0, err
	}
	return 0, syscall.Exec(program, args, env)
}

// sidecarEnv is the environment of daprd with the arguments args. It waits for what it is made of.
func sidecarEnv(ctx context.Context, dir string, args []string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	text := map[string]string{}
	for _, name := range []string{anchorsFile, sentryTokenFile, daprTokenFile, appTokenFile, secretsFile} {
		content, err := awaitFile(ctx, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		text[name] = strings.TrimSpace(content)
	}
	env := append(os.Environ(), identity.ProcessEnv(filepath.Join(dir, sentryTokenFile))...)
	env = append(env, "DAPR_TRUST_ANCHORS="+text[anchorsFile], "DAPR_API_TOKEN="+text[daprTokenFile], "APP_API_TOKEN="+text[appTokenFile])
	if _, set := os.LookupEnv("OTEL_TRACES_SAMPLER_ARG"); !set {
		env = append(env, template.Tracing(os.Getenv(template.TracingEndpoint))...)
	}
	if os.Getenv("DAPR_HOST_IP") != "" {
		return env, nil
	}
	ip, err := awaitAddress(ctx, args)
	return append(env, "DAPR_HOST_IP="+ip), err
}

// awaitFile reads a file once it exists and is not empty.
func awaitFile(ctx context.Context, path string) (text string, err error) {
	return text, poll(ctx, func() error {
		content, err := os.ReadFile(path) //nolint:gosec // a secret of this container
		if text = string(content); err == nil && text == "" {
			err = fmt.Errorf("%s is empty", path)
		}
		if errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: it must be readable for the user %d", err, os.Getuid())
		}
		if err != nil {
			err = fmt.Errorf("%w (`podinit secrets` makes it: `make secrets`, or the composition's service \"secrets\")", err)
		}
		return err
	})
}

// awaitAddress is the address that other sidecars reach this one by: that of the network on which it reaches placement.
// Of several networks, Dapr would choose the one with the default route, where no other sidecar finds it.
func awaitAddress(ctx context.Context, args []string) (ip string, err error) {
	const flag = "--placement-host-address"
	var placement string
	for n, arg := range args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			placement = value
		} else if arg == flag && n+1 < len(args) {
			placement = args[n+1]
		}
	}
	placement, _, _ = strings.Cut(placement, ",")
	if placement == "" {
		return "", fmt.Errorf("no %s among the sidecar's arguments: its network is the one that the sidecar announces; "+
			"or set DAPR_HOST_IP", flag)
	}
	return ip, poll(ctx, func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "udp", placement) // sends nothing
		if err != nil {
			return fmt.Errorf("%w: is the container of placement running, and on a network of this one?", err)
		}
		ip, _, err = net.SplitHostPort(conn.LocalAddr().String())
		return errors.Join(err, conn.Close())
	})
}

// poll repeats a step until it succeeds or ctx ends, and logs from time to time why it does not.
func poll(ctx context.Context, step func() error) error {
	for n := 0; ; n++ {
		err := step()
		if err == nil {
			return nil
		}
		if slices.Contains([]int{2, 20, 100, 200, 300, 400}, n) { // after 0.5 s, 5 s, 25 s ...
			log.Printf("podinit: waiting: %v", err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}
