package program

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sidecart/stack/internal/progress"
)

// Engine is Servers for what a private Docker engine needs: the engine with its client, iptables for its networks,
// slirp4netns for its way out, and debootstrap for images without a registry. They are looked for where packages put
// them: a client that comes first on PATH may be too new for the engine.
func Engine(ctx context.Context, log *progress.Log) error {
	return findOrInstall(ctx, log, func() (packages []string, err error) {
		for _, p := range [][2]string{
			{"dockerd", "docker.io"}, {"docker", "docker.io"}, {"iptables", "iptables"}, {"ip", "iproute2"},
			{"slirp4netns", "slirp4netns"}, {"debootstrap", "debootstrap"},
		} {
			if executable("/usr/bin/"+p[0]) || executable("/usr/sbin/"+p[0]) {
				continue
			}
			if err = errors.Join(err, fmt.Errorf("%s: %w", p[0], ErrMissing)); !slices.Contains(packages, p[1]) {
				packages = append(packages, p[1])
			}
		}
		return packages, err
	})
}
