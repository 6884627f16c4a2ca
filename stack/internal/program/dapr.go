package program

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sidecart/stack/internal/place"
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
func BuiltDapr(i place.Instance) (Dapr, bool) {
	d := in(i.Bin())
	return d, d.complete() && current(i, daprModule)
}

// EnsureDapr finds official programs or builds the pinned ones, once.
func EnsureDapr(ctx context.Context, i place.Instance, log *progress.Log) (Dapr, error) {
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
	log.Say("no official Dapr on this machine: building the pinned one, once (five to ten minutes on two cores)")
	done := log.Step("building daprd, placement, scheduler and sentry", "starting the servers")
	err = build(ctx, i, daprModule, i.Bin()+"/",
		"sidecart/tools/dapr/daprd", "github.com/dapr/dapr/cmd/placement",
		"github.com/dapr/dapr/cmd/scheduler", "github.com/dapr/dapr/cmd/sentry")
	done(err)
	if err != nil {
		return Dapr{}, err
	}
	return in(i.Bin()), mark(i, daprModule)
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
