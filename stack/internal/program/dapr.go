package program

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"sidecart/stack/internal/place"
	"sidecart/stack/internal/progress"
)

// Dapr is where its programs are.
type Dapr struct {
	Daprd, Placement, Scheduler, Sentry string
	Official                            bool // found on the machine, not built by us
}

const leastDapr = "1.16.0"

// FindDapr looks for official programs on PATH and where `dapr init --slim` puts them. It takes all four or none: mixed versions
// would talk different protocols.
func FindDapr() (Dapr, error) {
	var dirs []string
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".dapr", "bin"))
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), dirs...) {
		d := in(dir)
		if d.complete() && atLeast(Version(d.Daprd, "--version"), leastDapr) {
			d.Official = true
			return d, nil
		}
	}
	return Dapr{}, fmt.Errorf("daprd, placement, scheduler and sentry %s or newer in one folder: %w", leastDapr, ErrMissing)
}

// BuiltDapr are the pinned programs, if they were built already from the pins of today.
func BuiltDapr(i place.Instance) (Dapr, bool) {
	d := in(i.Bin())
	want, err := pins(i)
	if err != nil || !d.complete() {
		return Dapr{}, false
	}
	have, _ := os.ReadFile(stamp(i))
	return d, string(have) == want
}

// EnsureDapr finds official programs or builds the pinned ones, once.
func EnsureDapr(i place.Instance, log *progress.Log) (Dapr, error) {
	if d, err := FindDapr(); err == nil {
		return d, nil
	}
	unlock, err := buildLock(i)
	if err != nil {
		return Dapr{}, err
	}
	defer unlock()
	if d, ok := BuiltDapr(i); ok {
		return d, nil
	}
	log.Say("no official Dapr on this machine: building the pinned one, once (about five minutes on two cores)")
	done := log.Step("building daprd, placement, scheduler and sentry", "starting the servers")
	err = build(filepath.Join(i.Root, "tools", "dapr"), i.Bin()+"/",
		"sidecart/tools/dapr/daprd", "github.com/dapr/dapr/cmd/placement",
		"github.com/dapr/dapr/cmd/scheduler", "github.com/dapr/dapr/cmd/sentry")
	done(err)
	if err != nil {
		return Dapr{}, err
	}
	want, err := pins(i)
	if err != nil {
		return Dapr{}, err
	}
	return in(i.Bin()), os.WriteFile(stamp(i), []byte(want), 0o644)
}

// EnsureCLI builds the pinned Dapr CLI. People have their own; the test of the official way uses this one.
func EnsureCLI(i place.Instance, log *progress.Log) (string, error) {
	unlock, err := buildLock(i)
	if err != nil {
		return "", err
	}
	defer unlock()
	path := filepath.Join(i.Bin(), "dapr")
	if executable(path) {
		return path, nil
	}
	done := log.Step("building the Dapr CLI", "starting the platform")
	err = build(filepath.Join(i.Root, "tools", "cli"), path, "github.com/dapr/cli")
	done(err)
	return path, err
}

// build compiles packages of a module that stays outside the workspace.
func build(dir, out string, packages ...string) error {
	args := append([]string{"build",
		"-tags", "stablecomponents",
		"-ldflags", "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + leastDapr,
		"-o", out}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", dir, err, tail(text))
	}
	return nil
}

// pins is a fingerprint of what the programs are built from.
func pins(i place.Instance) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "daprd/main.go"} {
		text, err := os.ReadFile(filepath.Join(i.Root, "tools", "dapr", filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func stamp(i place.Instance) string { return filepath.Join(i.Bin(), ".dapr.pins") }

func buildLock(i place.Instance) (unlock func(), err error) {
	if err := os.MkdirAll(i.Bin(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(i.Bin(), ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}

func in(dir string) Dapr {
	return Dapr{
		Daprd: filepath.Join(dir, "daprd"), Placement: filepath.Join(dir, "placement"),
		Scheduler: filepath.Join(dir, "scheduler"), Sentry: filepath.Join(dir, "sentry"),
	}
}

func (d Dapr) complete() bool {
	for _, p := range []string{d.Daprd, d.Placement, d.Scheduler, d.Sentry} {
		if !executable(p) {
			return false
		}
	}
	return true
}

// Describe says in words where they come from.
func (d Dapr) Describe() string {
	if d.Official {
		return "official, in " + filepath.Dir(d.Daprd)
	}
	return "built from the pinned module"
}

// Runtime is the folder for DAPR_RUNTIME_PATH: it holds .dapr/bin/daprd. It is "" when the CLI finds daprd by itself.
func (d Dapr) Runtime(i place.Instance) (string, error) {
	home, _ := os.UserHomeDir()
	if strings.HasPrefix(d.Daprd, filepath.Join(home, ".dapr")+"/") {
		return "", nil
	}
	dir := i.Path("runtime")
	link := filepath.Join(dir, ".dapr", "bin")
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return "", err
	}
	if err := os.RemoveAll(link); err != nil {
		return "", err
	}
	return dir, os.Symlink(filepath.Dir(d.Daprd), link)
}

// FindCLI gives the Dapr CLI: the person's own, or the pinned one if it was built.
func FindCLI(i place.Instance) (string, error) {
	if path, err := exec.LookPath("dapr"); err == nil {
		return path, nil
	}
	if path := filepath.Join(i.Bin(), "dapr"); executable(path) {
		return path, nil
	}
	return "", fmt.Errorf("dapr: %w", ErrMissing)
}
