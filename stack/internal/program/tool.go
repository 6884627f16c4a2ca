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

// The tools of the checks, and the mail server of the local platform.
var (
	MailHog     = Tool{"mailhog", "mail", "sidecart/tools/mail/mailhog"}
	CLI         = Tool{"dapr", "cli", "github.com/dapr/cli"}
	Linter      = Tool{"golangci-lint", "lint", "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"}
	GoTestSum   = Tool{"gotestsum", "lint", "gotest.tools/gotestsum"}
	StripeMock  = Tool{"stripe-mock", "stripe", "github.com/stripe/stripe-mock"}
	Compose     = Tool{"docker-compose", "compose", "github.com/docker/compose/v5/cmd"}
	GoVulnCheck = Tool{"govulncheck", "vuln", "golang.org/x/vuln/cmd/govulncheck"}
	SBOM        = Tool{"cyclonedx-gomod", "sbom", "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod"}
)

// Ensure builds a tool unless it is up to date, and returns its path.
func (t Tool) Ensure(ctx context.Context, i instance.Instance, log *progress.Log) (string, error) {
	path := filepath.Join(i.Bin(), t.Name)
	flags := []string{"-ldflags", "-s -w"}
	target := target{module: t.Module, name: t.Module + "." + t.Name, programs: []string{path}, flags: flags}
	return path, target.ensure(i, func() error {
		return log.Step("building "+t.Name, "using it; this happens once", func() error {
			return build(ctx, i, t.Module, path, append(flags, t.Package)...)
		})
	})
}

// target is what one build makes: programs from a module in tools/.
type target struct {
	module, name string
	programs     []string
	flags        []string // of the build: programs that were built in another way are not up to date
}

// ensure builds the programs unless all are up to date. A lock keeps concurrent stacks from building the same ones.
func (t target) ensure(i instance.Instance, build func() error) error {
	if t.upToDate(i) {
		return nil
	}
	if err := os.MkdirAll(i.Bin(), 0o755); err != nil {
		return err
	}
	lock, err := lockFile(t.stampFile(i)+".lock", syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer lock.Close()
	if t.upToDate(i) {
		return nil
	}
	if err := build(); err != nil {
		return err
	}
	sum, err := t.fingerprint(i)
	if err != nil {
		return err
	}
	return os.WriteFile(t.stampFile(i), []byte(sum), 0o600)
}

// upToDate reports whether programs exist and were built from the module's current pins.
func (t target) upToDate(i instance.Instance) bool {
	want, err := t.fingerprint(i)
	have, _ := os.ReadFile(t.stampFile(i))
	return err == nil && string(have) == want && allExecutable(t.programs)
}

func (t target) stampFile(i instance.Instance) string {
	return filepath.Join(i.Bin(), "."+t.name+".pins")
}

// fingerprint identifies what programs are built from, and how: pinned versions, our main packages, the components of
// Dapr, environment and flags of the build.
func (t target) fingerprint(i instance.Instance) (string, error) {
	var files []string
	for _, pattern := range []string{"*/*.go", "go.mod", "go.sum", "package-lock.json"} {
		found, err := filepath.Glob(filepath.Join(i.Root, "tools", t.module, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	sum := sha256.New()
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	if t.flags != nil {
		fmt.Fprintf(sum, "%q %q", static, t.flags)
	}
	if t.module == daprModule {
		types, err := componentTypes(i.Root)
		if err != nil {
			return "", err
		}
		fmt.Fprint(sum, types)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// static is the environment of a build whose programs run in any container, too: it has no cgo.
var static = []string{"GOWORK=off", "CGO_ENABLED=0"}

// build compiles static programs of a module in tools/.
func build(ctx context.Context, i instance.Instance, module, out string, flagsAndPackages ...string) error {
	args := append([]string{"build", "-trimpath", "-o", out}, flagsAndPackages...)
	_, err := Go(ctx, moduleDir(i, module), static, args...)
	return err
}

// goTool runs a go command in a module in tools/, which is outside the workspace.
func goTool(ctx context.Context, i instance.Instance, module string, args ...string) (output string, err error) {
	return Go(ctx, moduleDir(i, module), []string{"GOWORK=off"}, args...)
}

func moduleDir(i instance.Instance, module string) string {
	return filepath.Join(i.Root, "tools", module)
}

// Go runs a go command and returns its output. The command ends with this program, however it ends.
func Go(ctx context.Context, dir string, env []string, args ...string) (output string, err error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = dir, append(BuildEnv(), env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT} // it removes its temporary files then
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, 5*time.Second
	if err := proc.Run(cmd); err != nil {
		return "", fmt.Errorf("go %s in %s: %w\n%s", args[0], dir, err, tail(out.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// BuildEnv is the environment of a go command that compiles much: fewer garbage collections save a fifth of the time,
// and memory stays below about 3 GiB. Values from our own environment win.
func BuildEnv() []string {
	return append([]string{"GOGC=400", "GOMEMLIMIT=3GiB"}, os.Environ()...) // the last one wins
}
