package program

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"sidecart/stack/internal/place"
	"sidecart/stack/internal/progress"
)

// Tool is a program that a module in tools/ pins.
type Tool struct {
	Name, Module, Package string
}

// The tools of the checks and of the test of the official way, and the mail server of the local platform.
var (
	MailHog    = Tool{"mailhog", "mail", "sidecart/tools/mail/mailhog"}
	CLI        = Tool{"dapr", "cli", "github.com/dapr/cli"}
	Linter     = Tool{"golangci-lint", "lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"}
	GoTestSum  = Tool{"gotestsum", "lint", "gotest.tools/gotestsum"}
	StripeMock = Tool{"stripe-mock", "stripe", "github.com/stripe/stripe-mock"}
	Vulnerable = Tool{"govulncheck", "vuln", "golang.org/x/vuln/cmd/govulncheck"}
)

// Ensure builds a tool unless it was built from the pins of today, and says where it is.
func (t Tool) Ensure(ctx context.Context, i place.Instance, log *progress.Log) (string, error) {
	path := filepath.Join(i.Bin(), t.Name)
	built := func() bool { return executable(path) && current(i, t.Module, t.Name) }
	if built() {
		return path, nil
	}
	unlock, err := buildLock(i, t.Name) // somebody else may be building it
	if err != nil {
		return "", err
	}
	defer unlock()
	if built() {
		return path, nil
	}
	done := log.Step("building "+t.Name, "using it; this is once")
	err = build(ctx, i, t.Module, path, t.Package)
	done(err)
	if err != nil {
		return "", err
	}
	return path, mark(i, t.Module, t.Name)
}

// FindCLI gives the Dapr CLI: the person's own, or the pinned one if it was built.
func FindCLI(i place.Instance) (string, error) {
	if path, err := exec.LookPath(CLI.Name); err == nil {
		return path, nil
	}
	if path := filepath.Join(i.Bin(), CLI.Name); executable(path) {
		return path, nil
	}
	return "", fmt.Errorf("dapr: %w", ErrMissing)
}

// build compiles packages of a module that stays outside the workspace.
func build(ctx context.Context, i place.Instance, module, out string, packages ...string) error {
	args := append([]string{"build",
		"-tags", "stablecomponents",
		"-ldflags", "-s -w -X github.com/dapr/dapr/pkg/buildinfo.version=" + leastDapr,
		"-o", out}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = filepath.Join(i.Root, "tools", module)
	cmd.Env = append(Compiling(), "GOWORK=off")
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build in %s: %w\n%s", cmd.Dir, err, tail(text))
	}
	return nil
}

// Compiling is the environment of a go command that compiles much: with fewer collections of garbage it takes a fifth less
// time, and at most about 3 GiB of memory. Who has set either of them knows better.
func Compiling() []string {
	return append([]string{"GOGC=400", "GOMEMLIMIT=3GiB"}, os.Environ()...) // the last one counts
}

// current says whether what was built from a module was built from its pins of today.
func current(i place.Instance, module string, program ...string) bool {
	want, err := pins(i, module)
	have, _ := os.ReadFile(stamp(i, module, program))
	return err == nil && string(have) == want
}

func mark(i place.Instance, module string, program ...string) error {
	want, err := pins(i, module)
	if err != nil {
		return err
	}
	return os.WriteFile(stamp(i, module, program), []byte(want), 0o600)
}

// pins is a fingerprint of what programs are built from: the versions, and our own mains.
func pins(i place.Instance, module string) (string, error) {
	dir := filepath.Join(i.Root, "tools", module)
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.go"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, path := range append(files, filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")) {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func stamp(i place.Instance, module string, program []string) string {
	name := "." + module
	for _, p := range program {
		name += "." + p
	}
	return filepath.Join(i.Bin(), name+".pins")
}

// buildLock keeps two platforms from building the same program at the same time.
func buildLock(i place.Instance, program string) (unlock func(), err error) {
	if err := os.MkdirAll(i.Bin(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(i.Bin(), "."+program+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}
