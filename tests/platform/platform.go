// Package platform runs a platform for a test: the five services beside real sidecars, with other ports and another
// folder than `make run`, so that both can run at the same time. It is empty at the start, and no process of it remains
// at the end.
package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Timeouts of a start. Preparing includes building daprd, if it was not built before, and the services with the race
// detector.
const (
	prepareTimeout = 18 * time.Minute
	readyTimeout   = 3 * time.Minute
)

// Platform is a running platform. Its processes are postgres, redis, sentry, placement, scheduler, mailhog, each
// service by its app id, and its sidecar by that with "-dapr".
type Platform struct {
	Name   string
	Offset int
	Root   string // the repository
	Dir    string // the folder of the instance

	args       []string // of the supervisor
	supervisor *exec.Cmd
	over       chan struct{} // closed when the supervisor has exited
}

// Process is a process in state.json.
type Process struct {
	Name     string         `json:"name"`
	State    string         `json:"state"` // starting, running, waiting, held, stopped
	PID      int            `json:"pid"`   // 0 while it is down
	Restarts int            `json:"restarts"`
	Since    time.Time      `json:"since"`
	Ports    map[string]int `json:"ports"` // app; http, grpc, internal, metrics; sql; redis
	Log      string         `json:"log"`
}

// State is the content of state.json.
type State struct {
	PID          int       `json:"pid"` // of the supervisor
	Phase        string    `json:"phase"`
	ReadySeconds float64   `json:"ready_seconds"`
	URL          string    `json:"url"`
	Processes    []Process `json:"processes"`
}

// Race decides whether Main starts services with the race detector.
var Race = true

// Main is for TestMain: it starts an empty platform, calls use with it, runs the tests and returns their exit code.
//
//	func TestMain(m *testing.M) { os.Exit(platform.Main(m, "e2e", 10000, func(p *platform.Platform) { shop = p })) }
func Main(m *testing.M, name string, offset int, use func(*Platform), args ...string) int {
	start := Start
	if !Race {
		start = StartAsBuilt
	}
	p, err := start(name, offset, args...)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the platform for the tests:", err)
		return 1
	}
	differences, err := checkContract(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, "docs/openapi.json:", err)
		return 1
	}
	use(p)
	code := m.Run()
	for _, difference := range differences() {
		fmt.Fprintln(os.Stderr, difference)
		code = max(1, code)
	}
	if code != 0 {
		p.dump(os.Stderr)
	}
	if err := errors.Join(p.Stop(), NoProcesses(p.Dir)); err != nil {
		fmt.Fprintln(os.Stderr, "stop the platform of the tests:", err)
		return max(1, code)
	}
	return code
}

// Start starts an empty platform, built for tests, and returns when it is healthy. Free offsets are 10000, 11000 and
// 12000.
func Start(name string, offset int, args ...string) (*Platform, error) {
	return StartAsBuilt(name, offset, append([]string{"--race"}, args...)...)
}

// StartAsBuilt is Start with services as `make run` builds them.
func StartAsBuilt(name string, offset int, args ...string) (*Platform, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	p := &Platform{Name: name, Offset: offset, Root: root, Dir: filepath.Join(root, ".sidecart", name), args: args}
	if err := p.build(); err != nil {
		return nil, err
	}
	for _, command := range [][]string{{"stop"}, {"reset", "--yes"}} {
		if out, err := p.stack(command...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("stack %v: %w\n%s", command, err, out)
		}
	}
	if err := os.Remove(p.Dir + ".log"); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if err := p.launch(); err != nil {
		return nil, err
	}
	if err := p.awaitReady(); err != nil {
		p.dump(os.Stderr)
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// build builds the stack, which builds everything else.
func (p *Platform) build() error {
	if err := os.MkdirAll(filepath.Join(p.Root, ".sidecart", "bin"), 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", p.program(), "./stack")
	cmd.Dir = p.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build stack: %w\n%s", err, out)
	}
	return nil
}

// launch starts the supervisor. The kernel stops it when this program exits.
func (p *Platform) launch() error {
	log, err := os.OpenFile(p.Dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p.supervisor, p.over = p.stack(append([]string{"run"}, p.args...)...), make(chan struct{})
	p.supervisor.Stdout, p.supervisor.Stderr = log, log
	p.supervisor.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := StartBound(p.supervisor); err != nil {
		return err
	}
	go func() {
		_ = p.supervisor.Wait()
		close(p.over)
	}()
	return nil
}

func (p *Platform) awaitReady() error {
	phase, timeout := "preparing", prepareTimeout
	for began := time.Now(); time.Since(began) < timeout; time.Sleep(100 * time.Millisecond) {
		select {
		case <-p.over:
			return errors.New("the platform did not start")
		default:
		}
		s, err := p.State()
		switch {
		case err != nil || s.PID != p.supervisor.Process.Pid || s.Phase == phase:
		case s.Phase == "ready":
			return nil
		default:
			phase, timeout, began = s.Phase, readyTimeout, time.Now()
		}
	}
	return fmt.Errorf("the platform is still %s after %s", phase, timeout)
}

// Stop stops the platform, and fails after 15 s.
func (p *Platform) Stop() error {
	if err := p.supervisor.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.over:
		return nil
	case <-time.After(15 * time.Second):
		return fmt.Errorf("pid %d does not stop", p.supervisor.Process.Pid)
	}
}

// URL is the address of the gateway.
func (p *Platform) URL() string { return p.Address("gateway") }

// Address is that of a service itself, without gateway and sidecars.
func (p *Platform) Address(app string) string {
	return fmt.Sprintf("http://127.0.0.1:%d", p.Port(app, "app"))
}

// Port is a port of a process: Port("orders", "app"), Port("orders-dapr", "http"), Port("redis", "redis").
func (p *Platform) Port(process, purpose string) int { return p.Process(process).Ports[purpose] }

// Process returns a process by name; the zero Process if there is none.
func (p *Platform) Process(name string) Process {
	s, err := p.State()
	if err != nil {
		return Process{}
	}
	for _, q := range s.Processes {
		if q.Name == name {
			return q
		}
	}
	return Process{}
}

// State reads the state of the platform.
func (p *Platform) State() (State, error) {
	var s State
	text, err := os.ReadFile(filepath.Join(p.Dir, "state.json"))
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// Secret is a secret of the instance, such as "orders-database-url" or "redis-password".
func (p *Platform) Secret(name string) (string, error) {
	var all map[string]string
	err := p.read("secrets.json", &all)
	return all[name], err
}

// Token returns the API tokens that an app sends to its sidecar (dapr) and its sidecar sends to it (own).
func (p *Platform) Token(app string) (dapr, own string, err error) {
	var all map[string]struct{ Dapr, App string }
	err = p.read("tokens.json", &all)
	return all[app].Dapr, all[app].App, err
}

func (p *Platform) read(name string, into any) error {
	text, err := os.ReadFile(filepath.Join(p.Dir, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (p *Platform) program() string { return filepath.Join(p.Root, ".sidecart", "bin", "stack") }

// stack is Command without a deadline.
func (p *Platform) stack(args ...string) *exec.Cmd { return p.Command(context.Background(), args...) }

// Root is the root of the repository in which the test runs.
func Root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, e := os.Stat(filepath.Join(dir, "dapr", "dapr.yaml")); e == nil {
			return filepath.EvalSymlinks(dir)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the tests do not run inside the repository")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// dump shows the output of the supervisor and the end of each log.
func (p *Platform) dump(to *os.File) {
	fmt.Fprintf(to, "\n=== %s\n%s", p.Dir+".log", tail(p.Dir+".log", 4000))
	logs, _ := filepath.Glob(filepath.Join(p.Dir, "logs", "*.log"))
	for _, path := range logs {
		fmt.Fprintf(to, "\n=== the end of %s\n%s", path, tail(path, 1500))
	}
}

func tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error() + "\n"
	}
	if len(text) > n {
		text = text[len(text)-n:]
		if _, rest, ok := strings.Cut(string(text), "\n"); ok {
			return rest
		}
	}
	return string(text)
}
