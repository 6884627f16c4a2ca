package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
)

// Phases of a platform.
const (
	Preparing = "preparing" // finding, building, creating databases
	Starting  = "starting"  // the services are started, not all are healthy yet
	Ready     = "ready"
	Stopping  = "stopping"
)

// State is the content of an instance's state.json, which is written whenever a process changes.
type State struct {
	Instance     string        `json:"instance"`
	Dir          string        `json:"dir"`
	Offset       int           `json:"offset"`
	PID          int           `json:"pid"` // of the supervisor
	Phase        string        `json:"phase"`
	InfraOnly    bool          `json:"infra_only"`
	Started      time.Time     `json:"started"`
	Ready        *time.Time    `json:"ready,omitempty"` // when it first became ready
	ReadySeconds float64       `json:"ready_seconds,omitempty"`
	URL          string        `json:"url"` // of the gateway
	Processes    []proc.Status `json:"processes"`
}

// Process returns a process by name.
func (s State) Process(name string) (proc.Status, bool) {
	i := slices.IndexFunc(s.Processes, func(p proc.Status) bool { return p.Name == name })
	if i < 0 {
		return proc.Status{}, false
	}
	return s.Processes[i], true
}

// ReadState reads the state of an instance: the zero State when it does not run.
func ReadState(i instance.Instance) (State, error) {
	var s State
	text, err := os.ReadFile(i.Path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(text, &s)
}

// Supervisor is the pid of the process that supervises an instance, or 0.
func Supervisor(i instance.Instance) int {
	f, err := os.Open(i.Path("lock"))
	if err != nil {
		return 0
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return 0
	}
	text, _ := os.ReadFile(i.Path("lock"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// ErrRunning means that an instance has a supervisor already.
var ErrRunning = errors.New("the platform already runs")

// CheckStopped fails with ErrRunning when an instance runs. It waits up to a second for a supervisor that
// was just killed.
func CheckStopped(i instance.Instance) error {
	pid := Supervisor(i)
	for began := time.Now(); pid != 0 && time.Since(began) < time.Second; pid = Supervisor(i) {
		time.Sleep(50 * time.Millisecond)
	}
	if pid == 0 {
		return nil
	}
	return fmt.Errorf("%w: instance %s, pid %d. Stop it with `make stop`, or Ctrl-C in its terminal",
		ErrRunning, i.Name, pid)
}

// lock makes this process the supervisor of the instance. The kernel releases the lock when the process exits.
func lock(i instance.Instance) (unlock func(), err error) {
	if err := CheckStopped(i); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(i.Dir(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(i.Path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(ErrRunning, f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return func() { f.Close() }, err
}

// recorder writes state.json.
type recorder struct {
	mu    sync.Mutex
	path  string
	state State
}

func (r *recorder) processes(all []proc.Status) {
	r.update(func(s *State) { s.Processes = all })
}

func (r *recorder) phase(p string) {
	r.update(func(s *State) {
		s.Phase = p
		if p == Ready && s.Ready == nil {
			now := time.Now()
			s.Ready, s.ReadySeconds = &now, now.Sub(s.Started).Seconds()
		}
	})
}

func (r *recorder) update(change func(*State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.state)
	text, err := json.MarshalIndent(r.state, "", "  ")
	if err != nil {
		return
	}
	tmp := r.path + ".new"
	if os.WriteFile(tmp, append(text, '\n'), 0o600) == nil {
		_ = os.Rename(tmp, r.path)
	}
}
