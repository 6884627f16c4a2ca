package program

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/progress"
)

// Dapr is where its programs are.
type Dapr struct {
	Daprd, Placement, Scheduler, Sentry string
	Official                            bool // found on the machine, not built by us
}

const (
	leastDapr  = "1.18.2" // which is the one we build, too
	daprModule = "dapr"   // its folder in tools/

	daprPackage = "github.com/dapr/dapr"
)

// FindDapr looks for official programs on PATH and where `dapr init --slim` puts them. It takes all four or none: mixed versions
// would talk different protocols.
func FindDapr(ctx context.Context) (Dapr, error) {
	var dirs []string
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".dapr", "bin"))
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), dirs...) {
		d := in(dir)
		if d.complete() && atLeast(Version(ctx, d.Daprd, "--version"), leastDapr) {
			d.Official = true
			return d, nil
		}
	}
	return Dapr{}, fmt.Errorf("daprd, placement, scheduler and sentry %s or newer in one folder: %w", leastDapr, ErrMissing)
}

// BuiltDapr are the pinned programs, if they were built already from the pins of today.
func BuiltDapr(i instance.Instance) (Dapr, bool) {
	d := in(i.Bin())
	return d, d.complete() && current(i, daprModule)
}

// EnsureDapr finds official programs or builds the pinned ones, once.
func EnsureDapr(ctx context.Context, i instance.Instance, log *progress.Log) (Dapr, error) {
	if d, err := FindDapr(ctx); err == nil {
		return d, nil
	}
	if d, ok := BuiltDapr(i); ok {
		return d, nil
	}
	unlock, err := buildLock(i, daprModule+".all") // somebody else may be building it
	if err != nil {
		return Dapr{}, err
	}
	defer unlock()
	if d, ok := BuiltDapr(i); ok {
		return d, nil
	}
	log.Say("no official Dapr on this machine: building the pinned one, once (about three minutes on two cores). " +
		"`dapr init --slim` first makes that unnecessary")
	done := log.Step("building daprd, placement, scheduler and sentry", "starting the servers")
	err = buildDapr(ctx, i)
	done(err)
	if err != nil {
		return Dapr{}, err
	}
	return in(i.Bin()), mark(i, daprModule)
}

// buildDapr builds Dapr's own programs, daprd with those components only that a YAML of the repository names. Dapr
// knows two lists of components, by build tags, and without a tag daprd panics (cmd/daprd/components/zz_notag.go of
// 1.18.2). So the tag of all is set, and an overlay hides the files of those that nobody names. Go takes no overlay of
// what is in the module cache, but it does of a folder in the module's place, which a link to the cache is.
func buildDapr(ctx context.Context, i instance.Instance) error {
	work := filepath.Join(i.Bin(), ".dapr")
	source, mod, overlay := filepath.Join(work, "source"), filepath.Join(work, "dapr.mod"), filepath.Join(work, "overlay.json")
	if err := linkDapr(ctx, i, source); err != nil {
		return err
	}
	if err := hide(i.Root, source, overlay); err != nil {
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
	if _, err := pinned(ctx, i, daprModule, "mod", "edit", "-replace", daprPackage+"="+source, mod); err != nil {
		return err
	}
	return build(ctx, i, daprModule, i.Bin()+"/",
		"-modfile", mod, "-overlay", overlay, "-tags", "allcomponents",
		"-ldflags", "-s -w -X "+daprPackage+"/pkg/buildinfo.version="+leastDapr,
		daprPackage+"/cmd/daprd", daprPackage+"/cmd/placement", daprPackage+"/cmd/scheduler", daprPackage+"/cmd/sentry")
}

// linkDapr makes a link to the pinned module in the cache, which is what go.sum says.
func linkDapr(ctx context.Context, i instance.Instance, link string) error {
	if _, err := pinned(ctx, i, daprModule, "mod", "download", daprPackage); err != nil {
		return err
	}
	dir, err := pinned(ctx, i, daprModule, "list", "-m", "-f", "{{.Dir}}", daprPackage)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Dir(link)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return err
	}
	return os.Symlink(dir, link)
}

// hide writes the overlay.
func hide(root, source, overlay string) error {
	types, err := componentTypes(root)
	if err != nil {
		return err
	}
	files, err := unused(filepath.Join(source, "cmd", "daprd", "components"), types)
	if err != nil {
		return err
	}
	replace := map[string]string{}
	for _, file := range files {
		replace[file] = "" // as if it were not there
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	return os.WriteFile(overlay, text, 0o600)
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
