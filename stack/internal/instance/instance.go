// Package instance has the folders, files and ports of an instance of the platform.
package instance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Instance is one platform on this machine. Instances with different names and offsets can run at the same time.
type Instance struct {
	Root   string // the repository
	Name   string // "run" is the instance of `make run`
	Offset int    // added to every port; 0 for "run"
	Race   bool   // its services are built for tests: with the race detector and the crash points of kit/crash
	// Components is a folder whose files replace those of the same name in components/local; empty for none.
	Components string
}

// Default is the name of the instance of `make run`. It uses dapr/ and components/ unchanged.
const Default = "run"

// Ports of the infrastructure, before the offset of the instance.
const (
	Postgres            = 15432
	Redis               = 16379
	Placement           = 15005
	PlacementHealth     = 15015
	PlacementRaft       = 15035
	Scheduler           = 15006
	SchedulerHealth     = 15016
	SchedulerEtcdClient = 15036
	SchedulerEtcdPeer   = 15046
	MailSMTP            = 11025
	MailWeb             = 18025
	Sentry              = 15007
	SentryHealth        = 15017
)

var allowed = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// New checks the name and the offset. It fails when they collide with the default instance.
func New(root, name string, offset int) (Instance, error) {
	switch {
	case !allowed.MatchString(name) || name == "bin":
		return Instance{}, fmt.Errorf("%q is not an instance name: use lower-case letters, digits and dashes", name)
	case (name == Default) != (offset == 0):
		return Instance{}, errors.New("the instance \"run\", and only it, has the offset 0")
	case offset < 0 || offset > 12000:
		return Instance{}, fmt.Errorf("offset %d is not between 0 and 12000", offset)
	}
	return Instance{Root: root, Name: name, Offset: offset}, nil
}

// Root is the repository that contains a folder.
func Root(from string) (string, error) {
	for dir := from; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "dapr", "dapr.yaml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no dapr/dapr.yaml in %s or its parent folders", from)
		}
	}
}

// Port is the port of the instance in place of port p of the default instance. Ports above 32767 are lowered by 30000
// first: the kernel uses those for outgoing connections, so a shifted one could be taken at any moment.
func (i Instance) Port(p int) int {
	if i.Offset == 0 {
		return p
	}
	if p > 32767 {
		p -= 30000
	}
	return p + i.Offset
}

// Dir is the folder of the instance, with all its data.
func (i Instance) Dir() string { return filepath.Join(i.Root, ".sidecart", i.Name) }

// Path is a file or folder of the instance.
func (i Instance) Path(elem ...string) string {
	return filepath.Join(append([]string{i.Dir()}, elem...)...)
}

// Log is the log file of a process.
func (i Instance) Log(process string) string { return i.Path("logs", process+".log") }

// Bin is the folder of the programs shared by all instances.
func (i Instance) Bin() string { return filepath.Join(i.Root, ".sidecart", "bin") }

// AppBin is the folder of the instance's services. The instances of tests share one, so that services are linked once.
func (i Instance) AppBin() string {
	switch {
	case i.Race:
		return filepath.Join(i.Bin(), "race")
	case i.Name == Default:
		return i.Bin()
	}
	return i.Path("bin")
}

// Template is the run template of the instance: dapr/dapr.yaml, or its copy with shifted ports.
func (i Instance) Template() string {
	if i.Name == Default {
		return filepath.Join(i.Root, "dapr", "dapr.yaml")
	}
	return i.Path("dapr", "dapr.yaml")
}
