package main

import (
	"context"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sidecart/stack/internal/image"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
	"sidecart/stack/internal/secret"
)

// images builds the images of containers, or those that the arguments name, and checks them.
func images(ctx context.Context, c command) error {
	b := image.Builder{Root: c.Root, Version: gitText(c.Root, "describe", "--tags", "--always", "--dirty"), Revision: gitText(c.Root, "rev-parse", "HEAD")}
	flags := flag.NewFlagSet("stack images", flag.ContinueOnError)
	flags.StringVar(&b.Docker, "docker", "docker", "the client of the engine")
	flags.StringVar(&b.Tag, "tag", "latest", "the images' tag")
	flags.Func("base", "another base image: GO_IMAGE=..., DAPRD_IMAGE=...", func(arg string) error {
		if _, value, _ := strings.Cut(arg, "="); value != "" {
			b.BaseArgs = append(b.BaseArgs, arg)
		}
		return nil
	})
	if err := flags.Parse(c.args); err != nil {
		return exitCode(2)
	}
	all := image.All(secret.Apps())
	for _, name := range flags.Args() {
		if !slices.ContainsFunc(all, func(i image.Image) bool { return i.Name == name }) {
			return fmt.Errorf("there is no image %q", name)
		}
	}
	if err := b.Ready(ctx); err != nil {
		return err
	}
	k := imageChecks{Builder: b, command: c, log: progress.New(os.Stderr), done: map[string]string{}}
	for _, i := range all {
		if flags.NArg() == 0 || slices.Contains(flags.Args(), i.Name) {
			if err := k.make(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// imageChecks checks the programs of images, each program once.
type imageChecks struct {
	image.Builder
	command
	log  *progress.Log
	done map[string]string // by package: the result
}

func (k imageChecks) make(ctx context.Context, i image.Image) error {
	err := k.log.Step("building "+k.Reference(i), "the next image", func() error { return k.Build(ctx, i) })
	if err != nil {
		return err
	}
	size, err := k.Size(ctx, i)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sidecart-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	paths := slices.Sorted(maps.Keys(i.Programs))
	if i.Target == "pod" {
		paths = append(paths, "/daprd")
	}
	if err := k.Extract(ctx, i, paths, dir); err != nil {
		return err
	}
	var results []string
	for _, path := range paths {
		result, err := k.check(ctx, filepath.Join(dir, filepath.Base(path)), i.Programs[path])
		if err != nil {
			return err
		}
		results = append(results, path+" "+result)
	}
	fmt.Printf("%-32s %6.1f MB  %s\n", k.Reference(i), float64(size)/1e6, strings.Join(results, ", "))
	return nil
}

// check checks that a program is static and, if it is ours, the same as one built here, and writes its SBOM.
func (k imageChecks) check(ctx context.Context, path, pkg string) (result string, err error) {
	name := filepath.Base(path)
	if pkg != "" {
		name = filepath.Base(pkg)
	}
	if result, ok := k.done[name]; ok {
		return result, nil
	}
	if err := static(path); err != nil {
		return "", err
	}
	result = "static"
	if pkg != "" {
		err := k.log.Step("comparing "+name, "the next program", func() error {
			same, err := k.SameAsBuiltHere(ctx, path, pkg)
			if result = "static, reproducible"; !same {
				result = "static, not compared: another version of Go"
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	k.done[name] = result
	return result, k.list(ctx, path, name)
}

// list writes the SBOM of a program: the modules that it is built from, in CycloneDX's format.
func (k imageChecks) list(ctx context.Context, path, name string) error {
	tool, err := program.SBOM.Ensure(ctx, k.Instance, k.log)
	if err != nil {
		return err
	}
	to := filepath.Join(k.Root, ".sidecart", "sbom", name+".cdx.json")
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	version := strings.TrimPrefix(k.Version, "v")
	out, err := exec.CommandContext(ctx, tool, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", version, "-output", to, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("SBOM of %s: %w\n%s", name, err, out)
	}
	return nil
}

// static fails for a program that needs a loader or libraries, which images do not have.
func static(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return errors.New(filepath.Base(path) + " is not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}

// gitText is "unknown" without git, as in an archive of the sources.
func gitText(root string, args ...string) string {
	out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output() //nolint:noctx // immediate
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
