package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"sidecart/stack/internal/progress"
)

// fuzzTarget is a native fuzz target of Go.
type fuzzTarget struct {
	dir  string // of its package, from the repository's root
	name string
}

func (t fuzzTarget) String() string { return t.dir + " " + t.name }

// fuzz runs fuzz targets one after another, each for FUZZTIME: those that the arguments name, or all. It fails after
// the last one if any has failed, and names the inputs that made them fail.
func fuzz(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.New(os.Stderr)}
	targets, err := k.fuzzTargets()
	if err != nil {
		return err
	}
	if len(c.args) > 0 {
		targets = slices.DeleteFunc(targets, func(t fuzzTarget) bool { return !slices.Contains(c.args, t.name) })
	}
	if len(targets) == 0 {
		return fmt.Errorf("there is no fuzz target %q", c.args)
	}
	for i, t := range targets {
		k.log.Printf("fuzz target %d of %d: %s", i+1, len(targets), t)
		err = errors.Join(err, k.fuzzOne(t))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

// fuzzOne runs a target with two workers. The input that makes it fail is a file, which is a test case from then on.
func (k checker) fuzzOne(t fuzzTarget) error {
	inputs := func() []string {
		found, _ := filepath.Glob(filepath.Join(k.Root, t.dir, "testdata", "fuzz", t.name, "*"))
		return found
	}
	before := inputs()
	err := k.run("go", "test", "./"+t.dir, "-run", "^$", "-fuzz", "^"+t.name+"$",
		"-fuzztime", cmp.Or(os.Getenv("FUZZTIME"), "1m"), "-parallel", "2")
	if err == nil {
		return nil
	}
	err = failed(t.String(), err)
	for _, file := range inputs() {
		if !slices.Contains(before, file) {
			err = fmt.Errorf("%w, with the input in %s", err, file)
		}
	}
	return err
}

var fuzzFunction = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

// fuzzTargets finds the targets of all modules of the workspace.
func (k checker) fuzzTargets() (all []fuzzTarget, err error) {
	patterns, err := k.packages()
	if err != nil {
		return nil, err
	}
	for _, pattern := range patterns {
		module := filepath.Join(k.Root, strings.TrimSuffix(pattern, "/..."))
		err := filepath.WalkDir(module, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			dir, err := filepath.Rel(k.Root, filepath.Dir(path))
			for _, function := range fuzzFunction.FindAllStringSubmatch(string(text), -1) {
				all = append(all, fuzzTarget{filepath.ToSlash(dir), function[1]})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
