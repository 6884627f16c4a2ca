package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/progress"
)

// Dapr has the paths of Dapr's programs.
type Dapr struct {
	Daprd, Placement, Scheduler, Sentry string
}

const (
	// DaprVersion is the minimum, and the one that we build.
	DaprVersion = "1.18.2"
	daprModule  = "dapr" // its folder in tools/

	daprPackage = "github.com/dapr/dapr"
)

// FindDapr looks for official programs on PATH and where `dapr init --slim` installs them. All four must be in one
// folder: different versions could speak different protocols.
func FindDapr(ctx context.Context) (Dapr, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".dapr", "bin"))
	}
	for _, dir := range dirs {
		d := daprIn(dir)
		if allExecutable(d.target().programs) && atLeast(Version(ctx, d.Daprd), DaprVersion) {
			return d, nil
		}
	}
	return Dapr{}, fmt.Errorf("daprd, placement, scheduler and sentry %s or newer: %w", DaprVersion, ErrMissing)
}

// BuiltDapr returns the pinned programs, and whether they are up to date.
func BuiltDapr(i instance.Instance) (Dapr, bool) {
	d := daprIn(i.Bin())
	return d, d.target().upToDate(i)
}

// EnsureDapr finds official programs or builds the pinned ones, once.
func EnsureDapr(ctx context.Context, i instance.Instance, log *progress.Log) (Dapr, error) {
	if d, err := FindDapr(ctx); err == nil {
		return d, nil
	}
	return ensurePinned(ctx, i, log, "no official Dapr on this machine: building the pinned one, once, in about three "+
		"minutes. To use the official one, run `dapr init --slim` first")
}

// EnsurePinnedDapr builds the pinned programs, once: Dapr's chart and the other programs of a cluster have its version.
func EnsurePinnedDapr(ctx context.Context, i instance.Instance, log *progress.Log) (Dapr, error) {
	return ensurePinned(ctx, i, log, "building Dapr, once, in about three minutes")
}

func ensurePinned(ctx context.Context, i instance.Instance, log *progress.Log, what string) (Dapr, error) {
	d := daprIn(i.Bin())
	return d, d.target().ensure(i, func() error {
		log.Printf("%s", what)
		return log.Step("building daprd, placement, scheduler and sentry", "starting the infrastructure", func() error {
			return buildDapr(ctx, i)
		})
	})
}

// buildDapr builds Dapr's programs; daprd has only the components that a YAML file of the repository names. Dapr
// selects components by two build tags, stable or all, and panics without one (cmd/daprd/components/zz_notag.go of
// 1.18.2). So this sets the tag of all, and an overlay hides the files of the others. Go refuses an overlay of files in
// the module cache. It accepts one of a folder that replaces the module, so a link to the cache replaces it.
func buildDapr(ctx context.Context, i instance.Instance) error {
	work := filepath.Join(i.Bin(), ".dapr")
	source, mod := filepath.Join(work, "source"), filepath.Join(work, "dapr.mod")
	overlay := filepath.Join(work, "overlay.json")
	if err := linkDapr(ctx, i, source); err != nil {
		return err
	}
	if err := writeOverlay(i.Root, source, overlay); err != nil {
		return err
	}
	for from, to := range map[string]string{"go.mod": mod, "go.sum": filepath.Join(work, "dapr.sum")} {
		text, err := os.ReadFile(filepath.Join(i.Root, "tools", daprModule, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return err
		}
	}
	if _, err := goTool(ctx, i, daprModule, "mod", "edit", "-replace", daprPackage+"="+source, mod); err != nil {
		return err
	}
	return build(ctx, i, daprModule, i.Bin()+"/",
		"-modfile", mod, "-overlay", overlay, "-tags", "allcomponents",
		"-ldflags", "-s -w -X "+daprPackage+"/pkg/buildinfo.version="+DaprVersion,
		daprPackage+"/cmd/daprd", daprPackage+"/cmd/placement", daprPackage+"/cmd/scheduler", daprPackage+"/cmd/sentry")
}

// linkDapr makes a link to the pinned module in the module cache, which go.sum verifies.
func linkDapr(ctx context.Context, i instance.Instance, link string) error {
	if _, err := goTool(ctx, i, daprModule, "mod", "download", daprPackage); err != nil {
		return err
	}
	dir, err := goTool(ctx, i, daprModule, "list", "-m", "-f", "{{.Dir}}", daprPackage)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(filepath.Dir(link)), os.MkdirAll(filepath.Dir(link), 0o755)); err != nil {
		return err
	}
	return os.Symlink(dir, link)
}

// writeOverlay writes the overlay that hides unused components.
func writeOverlay(root, source, overlay string) error {
	types, err := componentTypes(root)
	if err != nil {
		return err
	}
	files, err := unusedComponents(filepath.Join(source, "cmd", "daprd", "components"), types)
	if err != nil {
		return err
	}
	replace := map[string]string{}
	for _, file := range files {
		replace[file] = "" // hidden
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(overlay, text, 0o600)
}

func daprIn(dir string) Dapr {
	return Dapr{
		Daprd: filepath.Join(dir, "daprd"), Placement: filepath.Join(dir, "placement"),
		Scheduler: filepath.Join(dir, "scheduler"), Sentry: filepath.Join(dir, "sentry"),
	}
}

func (d Dapr) target() target {
	return target{module: daprModule, name: daprModule, programs: []string{d.Daprd, d.Placement, d.Scheduler, d.Sentry}}
}
