package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
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
func (t Tool) Ensure(ctx context.Context, i instance.Instance, log *progress.Log) (string, error) {
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
	err = build(ctx, i, t.Module, path, "-ldflags", "-s -w", t.Package)
	done(err)
	if err != nil {
		return "", err
	}
	return path, mark(i, t.Module, t.Name)
}

// FindCLI gives the Dapr CLI: the person's own, or the pinned one if it was built.
func FindCLI(i instance.Instance) (string, error) {
	if path, err := exec.LookPath(CLI.Name); err == nil {
		return path, nil
	}
	if path := filepath.Join(i.Bin(), CLI.Name); executable(path) {
		return path, nil
	}
	return "", fmt.Errorf("dapr: %w", ErrMissing)
}

// build compiles packages of a module that stays outside the workspace.
func build(ctx context.Context, i instance.Instance, module, out string, flagsAndPackages ...string) error {
	_, err := pinned(ctx, i, module, append([]string{"build", "-o", out}, flagsAndPackages...)...)
	return err
}

// pinned is a go command in such a module.
func pinned(ctx context.Context, i instance.Instance, module string, args ...string) (said string, err error) {
	return Go(ctx, filepath.Join(i.Root, "tools", module), []string{"GOWORK=off"}, args...)
}

// Go runs a go command, which ends with this program however that ends, and gives what it said.
func Go(ctx context.Context, dir string, env []string, args ...string) (said string, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(Compiling(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT} // it removes its temporary files then
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 5*time.Second
	if err := proc.Run(cmd); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, tail(out.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Compiling is the environment of a go command that compiles much: with fewer collections of garbage it takes a fifth less
// time, and at most about 3 GiB of memory. Who has set either of them knows better.
func Compiling() []string {
	return append([]string{"GOGC=400", "GOMEMLIMIT=3GiB"}, os.Environ()...) // the last one counts
}

// current says whether what was built from a module was built from its pins of today.
func current(i instance.Instance, module string, program ...string) bool {
	want, err := pins(i, module)
	have, _ := os.ReadFile(stamp(i, module, program))
	return err == nil && string(have) == want
}

func mark(i instance.Instance, module string, program ...string) error {
	want, err := pins(i, module)
	if err != nil {
		return err
	}
	return os.WriteFile(stamp(i, module, program), []byte(want), 0o600)
}

// pins is a fingerprint of what programs are built from: the versions, our own mains, and the components of Dapr.
func pins(i instance.Instance, module string) (string, error) {
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
	if module == daprModule {
		types, err := componentTypes(i.Root)
		if err != nil {
			return "", err
		}
		fmt.Fprint(sum, types)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func stamp(i instance.Instance, module string, program []string) string {
	name := "." + module
	for _, p := range program {
		name += "." + p
	}
	return filepath.Join(i.Bin(), name+".pins")
}

// buildLock keeps two platforms from building the same program at the same time.
func buildLock(i instance.Instance, program string) (unlock func(), err error) {
	if err := os.MkdirAll(i.Bin(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(i.Bin(), "."+program+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return func() { f.Close() }, syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}
