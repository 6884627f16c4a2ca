// Package image builds the images of deploy/Dockerfile and checks them: each program is static, the same as one built
// outside of the image, and listed with all that it is made of.
package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/proc"
)

// MaxServiceSize is the limit of a service's image in bytes, without its sidecar.
const MaxServiceSize = 60 << 20

// Image is one image of deploy/Dockerfile.
type Image struct {
	Name   string // "orders-pod": the image is sidecart/orders-pod
	Target string // of deploy/Dockerfile
	App    string // the service in it
	// Programs are our programs by their path in the image: the folder of their package in the repository.
	Programs map[string]string
}

// All are the images of a platform with these services.
func All(apps []string) []Image {
	podinit := Image{"podinit", "podinit", "", map[string]string{"/podinit": "stack/podinit"}}
	all := []Image{
		podinit,
		{"mailhog", "mailhog", "", map[string]string{"/mailhog": "tools/mail/mailhog"}},
		{"seed", "seed", "", map[string]string{"/seed": "tests/seed", "/demo": "tests/demo"}},
	}
	for _, app := range apps {
		all = append(all,
			Image{app, "service", app, map[string]string{"/app": "apps/" + app}},
			Image{app + "-pod", "pod", app, map[string]string{"/app": "apps/" + app, "/podinit": "stack/podinit"}})
	}
	return all
}

// Builder builds images with an engine.
type Builder struct {
	Docker            string   // the client
	Root              string   // the repository
	Tag               string   // of the images
	Version, Revision string   // for their labels
	BaseArgs          []string // GO_IMAGE=..., DAPRD_IMAGE=...: other base images than the default ones
}

// Ready fails if there is no engine, and says what to do.
func (b Builder) Ready(ctx context.Context) error {
	if _, err := exec.LookPath(b.Docker); err != nil {
		return fmt.Errorf("%w: install Docker, or name its client: make images DOCKER=/usr/bin/docker", err)
	}
	if _, err := b.run(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return fmt.Errorf("the engine of Docker does not respond: start it, or set DOCKER_HOST: %w", err)
	}
	return nil
}

// Reference is the image's name for the engine.
func (b Builder) Reference(i Image) string { return "sidecart/" + i.Name + ":" + b.Tag }

// Build builds an image.
func (b Builder) Build(ctx context.Context, i Image) error {
	args := []string{
		"build", "--file", "deploy/Dockerfile", "--target", i.Target, "--tag", b.Reference(i),
		"--build-arg", "VERSION=" + b.Version, "--build-arg", "REVISION=" + b.Revision,
	}
	if i.App != "" {
		args = append(args, "--build-arg", "APP="+i.App)
	}
	for _, base := range b.BaseArgs {
		args = append(args, "--build-arg", base)
	}
	_, err := b.run(ctx, append(args, ".")...)
	// Engines say it differently.
	away := func(text string) bool { return err != nil && strings.Contains(err.Error(), text) }
	if away("failed to resolve source metadata") || away("failed to do request") || away("pull access denied") {
		err = fmt.Errorf("%w\nThe registry of a base image is unavailable. Load the image into the engine (docker load), or name "+
			"another: make images GO_IMAGE=registry.example.com/golang:1.26-bookworm DAPRD_IMAGE=...", err)
	}
	return err
}

// Size is an image's size in bytes.
func (b Builder) Size(ctx context.Context, i Image) (size int64, err error) {
	out, err := b.run(ctx, "image", "inspect", "--format", "{{.Size}}", b.Reference(i))
	if err != nil {
		return 0, err
	}
	if _, err = fmt.Sscan(out, &size); err == nil && i.Target == "service" && size > MaxServiceSize {
		err = fmt.Errorf("%s has %d MB, more than %d", b.Reference(i), size>>20, MaxServiceSize>>20)
	}
	return size, err
}

// Extract copies files of an image into a folder.
func (b Builder) Extract(ctx context.Context, i Image, paths []string, dir string) (err error) {
	container, err := b.run(ctx, "create", b.Reference(i))
	if err != nil {
		return err
	}
	defer func() {
		_, removed := b.run(context.WithoutCancel(ctx), "rm", container)
		err = errors.Join(err, removed)
	}()
	for _, path := range paths {
		if _, err := b.run(ctx, "cp", container+":"+path, filepath.Join(dir, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

// SameAsBuiltHere builds a program outside of the image, in another folder and with another cache, and compares the two
// byte for byte. With another version of Go than the image's it cannot, and reports false.
func (b Builder) SameAsBuiltHere(ctx context.Context, program, pkg string) (same bool, err error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return false, err
	}
	own := program + ".own"
	defer os.Remove(own)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", own, ".")
	cmd.Dir = filepath.Join(b.Root, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := proc.Run(cmd); err != nil {
		return false, fmt.Errorf("build %s: %w\n%s", pkg, err, out.String())
	}
	ownInfo, err := buildinfo.ReadFile(own)
	if err != nil || ownInfo.GoVersion != info.GoVersion {
		return false, err
	}
	first, err1 := digest(program)
	second, err2 := digest(own)
	if err := errors.Join(err1, err2); err != nil {
		return false, err
	}
	if first != second {
		return false, fmt.Errorf("%s: the program of the image is %s, and the same source builds %s", pkg, first, second)
	}
	return true, nil
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return fmt.Sprintf("sha256:%x", sum.Sum(nil)), err
}

// run runs the client, and returns what it prints.
func (b Builder) run(ctx context.Context, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, b.Docker, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.Root, &out, &errs
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
	if err := proc.Run(cmd); err != nil {
		text := errs.String()
		return "", fmt.Errorf("docker %s: %w\n%s", args[0], err, text[max(0, len(text)-3000):])
	}
	return strings.TrimSpace(out.String()), nil
}
