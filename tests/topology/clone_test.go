package topology

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

// TestModules: go.work has every module but the tools that pin versions of other programs, and each service builds
// alone.
func TestModules(t *testing.T) {
	work := source.Read(t, "go.work")
	for _, file := range source.Files(t) {
		if path.Base(file) != "go.mod" {
			continue
		}
		dir := path.Dir(file)
		tool := strings.HasPrefix(dir, "tools/") && !slices.Contains([]string{"tools/daprgen", "tools/deploygen", "tools/cloudformation"}, dir)
		if listed := regexp.MustCompile(`(?m)^\s*\./` + dir + `$`).MatchString(work); listed == tool {
			t.Errorf("go.work and %s: listed is %v", file, listed)
		}
		mod := source.Read(t, file)
		if strings.HasPrefix(dir, "apps/") && (!strings.Contains(mod, "module sidecart/"+dir+"\n") ||
			!strings.Contains(mod, "sidecart/kit v0.0.0") || !strings.Contains(mod, "replace sidecart/kit => ../../kit")) {
			t.Errorf("%s cannot be built alone: it needs its module path and sidecart/kit v0.0.0 => ../../kit", file)
		}
		if _, err := os.Stat(filepath.Join(source.Root(t), dir, "go.sum")); err != nil && strings.Contains(mod, "require") {
			t.Errorf("%s has no go.sum", file)
		}
	}
}

// TestOneVersion: modules that are linked together require the same version of what they share.
func TestOneVersion(t *testing.T) {
	first := map[string][2]string{}
	for _, file := range source.Files(t) {
		if path.Base(file) != "go.mod" || strings.HasPrefix(file, "tools/") {
			continue
		}
		for name, version := range direct(source.Read(t, file)) {
			if other, ok := first[name]; ok && other[1] != version {
				t.Errorf("%s is %s in %s and %s in %s", name, version, file, other[1], other[0])
			}
			first[name] = [2]string{file, version}
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w.-]+/\S+) (v\S+)$`)

// direct are the direct dependencies of a go.mod with their versions.
func direct(mod string) map[string]string {
	found := map[string]string{}
	for _, line := range requirement.FindAllStringSubmatch(mod, -1) {
		found[line[1]] = line[2]
	}
	return found
}

// TestFreshClone: git has every file that is needed, and no others.
func TestFreshClone(t *testing.T) {
	files := source.Files(t)
	for _, needed := range []string{
		"Makefile", ".ci/run", ".gitignore", "LICENSE", "README.md", "CONTRIBUTING.md", "go.work", "dapr/dapr.yaml", "dapr/config.yaml", "dapr/sentry.yaml",
		"tools/dapr/go.sum", "tools/cli/go.sum", "docker-compose.yml", "deploy/Dockerfile", "tye/tye.yaml",
	} {
		if !slices.Contains(files, needed) {
			t.Errorf("%s is not in the repository", needed)
		}
	}
	for _, file := range files {
		info, err := os.Stat(filepath.Join(source.Root(t), filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 1<<20 {
			t.Errorf("%s is %d bytes: is it generated?", file, info.Size())
		}
		if strings.HasPrefix(file, ".sidecart/") {
			t.Errorf("%s is for one machine only", file)
		}
	}
	if info, err := os.Stat(filepath.Join(source.Root(t), ".ci", "run")); err == nil && info.Mode()&0o100 == 0 {
		t.Error(".ci/run cannot be executed")
	}
}

// aPlace is a folder that only one machine has.
var aPlace = regexp.MustCompile(`(?:^|[\s"'=(` + "`" + `])/(?:work|home/\w+|Users/\w+|root)/`)

// TestNoMachine: nothing names a folder of the machine it was written on.
func TestNoMachine(t *testing.T) {
	for _, file := range source.Files(t) {
		if strings.HasSuffix(file, "go.sum") || file == "tests/topology/clone_test.go" || file == "deploy/Dockerfile" { // an image's own
			continue
		}
		for i, line := range strings.Split(source.Read(t, file), "\n") {
			if aPlace.MatchString(line) {
				t.Errorf("%s:%d names a folder of one machine: %s", file, i+1, strings.TrimSpace(line))
			}
		}
	}
}

// TestImageVersions: the images are built with the Go version that the modules require, and have the pinned Dapr.
func TestImageVersions(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(source.Read(t, "go.work"))
	if version == nil || !strings.Contains(source.Read(t, "deploy/Dockerfile"), "\nARG GO_IMAGE=golang:"+version[1]+"-") {
		t.Errorf("go.work has %v and deploy/Dockerfile builds with another", version)
	}
	if want := "\nARG DAPRD_IMAGE=daprio/daprd:" + pinnedDapr(t) + "\n"; !strings.Contains(source.Read(t, "deploy/Dockerfile"), want) {
		t.Errorf("deploy/Dockerfile lacks %s", want)
	}
}
