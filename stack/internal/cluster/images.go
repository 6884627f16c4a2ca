package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/program"
)

// programUser is the user of programs in images, as in the official ones of Dapr and in ours.
const programUser = "65532"

// Names of images that the cluster itself needs.
const (
	pauseImage   = "localhost/pause:1"
	corednsImage = "localhost/coredns:1"
	daprRegistry = "ghcr.io/dapr/"
)

// programImage is an image of programs. Those that were built with cgo get the libraries that they name.
func programImage(programs map[string]string, entry string) (image, error) {
	m := image{
		files: map[string]string{}, entry: []string{entry}, user: programUser,
		links: map[string]string{"/lib": "usr/lib", "/lib64": "usr/lib64"},
		dirs:  map[string]int64{"/tmp": 0, "/images": 65532, "/run/sidecart": 65532},
	}
	const authorities = "/etc/ssl/certs/ca-certificates.crt"
	if isFile(authorities) {
		m.files[authorities] = authorities
	}
	for to, from := range programs {
		if err := m.addLibraries(from); err != nil {
			return m, err
		}
		m.files[to] = from
	}
	return m, nil
}

// loadOwnImages imports the images of the cluster and of Dapr.
func (c *Cluster) loadOwnImages(ctx context.Context) error {
	images := map[string]image{}
	programs := map[string]string{pauseImage: c.kube.Pause, corednsImage: c.kube.CoreDNS}
	for _, file := range []string{
		c.kube.Operator, c.kube.Injector, c.dapr.Sentry, c.dapr.Placement, c.dapr.Scheduler, c.dapr.Daprd,
	} {
		programs[daprRegistry+filepath.Base(file)+":"+program.DaprVersion] = file
	}
	for name, file := range programs {
		var err error
		inside := "/" + filepath.Base(file)
		if images[name], err = programImage(map[string]string{inside: file}, inside); err != nil {
			return err
		}
	}
	return c.importAll(ctx, images)
}

// Apply imports the images that a folder of kustomize names, and applies it.
func (c *Cluster) Apply(ctx context.Context, dir string) error {
	text, err := c.output(ctx, "kubectl", "kustomize", dir)
	if err != nil {
		return err
	}
	var names []string
	for _, found := range imageLine.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	if err := c.Load(ctx, slices.Compact(names)); err != nil {
		return err
	}
	return c.log.Step("applying "+dir, "waiting for its pods", func() error {
		return c.quiet(ctx, "kubectl", "apply", "-k", dir)
	})
}

var imageLine = regexp.MustCompile(`(?m)^[ -]*image: "?([^\s"]+)`)

// Load builds the images of these names, and imports them.
func (c *Cluster) Load(ctx context.Context, names []string) error {
	if err := c.build(ctx, names); err != nil {
		return err
	}
	images := map[string]image{}
	for _, name := range names {
		m, err := c.imageOf(ctx, name)
		if err != nil {
			return fmt.Errorf("image %s: %w", name, err)
		}
		images[name] = m
	}
	return c.log.Step("importing images", "the pods", func() error { return c.importAll(ctx, images) })
}

// repository is the last part of an image's name, without tag.
func repository(name string) string {
	base, _, _ := strings.Cut(path.Base(name), ":")
	return base
}

// packages of images that are made of a program of this repository: the program, by image.
var ownPackages = map[string][]string{
	"seed": {"./tests/seed", "./tests/demo"}, "podinit": {"./stack/podinit"},
}

// build builds the programs of this repository that the images need.
func (c *Cluster) build(ctx context.Context, names []string) error {
	var packages []string
	for _, name := range names {
		base := repository(name)
		if isFile(filepath.Join(c.Root, "apps", base, "main.go")) {
			packages = append(packages, "./apps/"+base)
		}
		packages = append(packages, ownPackages[base]...)
	}
	if len(packages) == 0 {
		return nil
	}
	if err := os.MkdirAll(c.Path("programs"), 0o755); err != nil {
		return err
	}
	return c.log.Step("building "+strings.Join(packages, " "), "importing images", func() error {
		return program.BuildStatic(ctx, c.Instance, c.Path("programs"), packages...)
	})
}

// imageOf is the image of a name, whatever its registry and tag. An unknown name is an error: nothing can be pulled.
func (c *Cluster) imageOf(ctx context.Context, name string) (image, error) {
	base := repository(name)
	built := func(program string) string { return c.Path("programs", program) }
	switch base {
	case "postgres":
		return postgresImage(ctx, c.Path("images"))
	case "redis":
		return redisImage(c.Path("images"))
	case "mailhog":
		file, err := program.MailHog.Ensure(ctx, c.Instance, c.log)
		if err != nil {
			return image{}, err
		}
		return programImage(map[string]string{"/mailhog": file}, "/mailhog")
	case "seed":
		return programImage(map[string]string{"/seed": built("seed"), "/demo": built("demo")}, "/seed")
	case "podinit":
		return programImage(map[string]string{"/podinit": built("podinit")}, "/podinit")
	}
	if !isFile(built(base)) {
		return image{}, errors.New("it is neither a service nor one of postgres, redis, mailhog, seed and podinit, and " +
			"nothing can be pulled here")
	}
	return programImage(map[string]string{"/app": built(base)}, "/app")
}

// importAll imports images that containerd does not have yet.
func (c *Cluster) importAll(ctx context.Context, images map[string]image) error {
	if err := os.MkdirAll(c.Path("images"), 0o755); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(2)
	for name, m := range images {
		group.Go(func() error {
			if err := c.importOne(ctx, name, m); err != nil {
				return fmt.Errorf("image %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// importOne writes the archive of an image, unless that of the same content is there, and imports it.
func (c *Cluster) importOne(ctx context.Context, name string, m image) error {
	want, err := m.stamp()
	if err != nil {
		return err
	}
	file := c.Path("images", strings.NewReplacer("/", "_", ":", "_").Replace(name)+".tar")
	have, _ := os.ReadFile(file + ".stamp")
	if string(have) != want || !isFile(file) {
		if err := m.writeArchive(file, qualified(name)); err != nil {
			return err
		}
		if err := os.WriteFile(file+".stamp", []byte(want), 0o600); err != nil {
			return err
		}
	}
	return c.quiet(ctx, "ctr", "--namespace", "k8s.io", "images", "import", file)
}

// qualified is the name by which containerd knows an image.
func qualified(name string) string {
	host, _, path := strings.Cut(name, "/")
	switch {
	case path && (strings.ContainsAny(host, ".:") || host == "localhost"):
		return name
	case path:
		return "docker.io/" + name
	}
	return "docker.io/library/" + name
}
