package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/platform"
	"sidecart/stack/internal/port"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/template"
)

// finding is one line of the doctor's table.
type finding struct {
	what, is, todo string
	bad            bool // the platform cannot run, and we cannot change that
}

// doctor says what is there, what is missing and what to do. It exits with 1 when something is missing that only a
// person can get.
func doctor(ctx context.Context, c command) error {
	all := []finding{
		{what: "go", is: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		server(ctx, "postgres", "postgresql", program.FindPostgres),
		server(ctx, "redis", "redis-server", program.FindRedis),
		optional(server(ctx, "chromium (for make test)", "chromium", program.FindChromium)),
	}
	all = append(all, dapr(ctx, c.Instance)...)
	all = append(all, disk(c.Root), memory())
	all = append(all, portsFound(ctx, c.Instance)...)
	w := tabwriter.NewWriter(os.Stdout, 2, 2, 2, ' ', 0)
	ill := false
	for _, f := range all {
		mark := "ok"
		switch {
		case f.bad:
			mark, ill = "MISSING", true
		case f.todo != "":
			mark = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", mark, f.what, f.is, f.todo)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if ill {
		fmt.Println("\nThe platform cannot run yet: see what to do above.")
		return exitCode(1)
	}
	fmt.Println("\nThe platform can run: make run")
	return nil
}

func server(ctx context.Context, what, pkg string, find func(context.Context) (string, error)) finding {
	path, err := find(ctx)
	if err == nil {
		return finding{what: what, is: path}
	}
	if program.CanInstall() {
		return finding{what: what, is: "not here", todo: "nothing: the first start installs " + pkg}
	}
	return finding{what: what, is: err.Error(), bad: true, todo: "sudo apt-get update && sudo apt-get install -y " + pkg}
}

// optional is a finding without which the platform runs all the same.
func optional(f finding) finding {
	f.bad = false
	return f
}

func dapr(ctx context.Context, i instance.Instance) []finding {
	names := "daprd, placement, scheduler, sentry"
	var out []finding
	if d, err := program.FindDapr(ctx); err == nil {
		out = append(out, finding{what: names, is: d.Describe() + ", " + program.Version(ctx, d.Daprd, "--version")})
	} else if d, ok := program.BuiltDapr(i); ok {
		out = append(out, finding{what: names, is: d.Describe() + ", " + program.Version(ctx, d.Daprd, "--version")})
	} else {
		out = append(out, finding{what: names, is: "not here", todo: "nothing: the first start builds them, once, in some minutes; `dapr init --slim` first makes that unnecessary"})
	}
	path, err := program.FindCLI(i)
	if err != nil {
		return append(out, finding{what: "dapr CLI", is: "not here", todo: "only needed for `dapr run -f`; `stack tools cli` builds one"})
	}
	return append(out, finding{what: "dapr CLI", is: path})
}

func disk(root string) finding {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(root, &fs); err != nil {
		return finding{what: "disk", is: err.Error()}
	}
	free := float64(fs.Bavail) * float64(fs.Bsize) / (1 << 30)
	f := finding{what: "disk", is: fmt.Sprintf("%.0f GB free", free)}
	if free < 8 {
		f.todo = "building Dapr the first time takes about 4 GB of Go's caches"
	}
	return f
}

func memory() finding {
	text, _ := os.ReadFile("/proc/meminfo")
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			var kb float64
			if _, err := fmt.Sscan(rest, &kb); err == nil {
				f := finding{what: "memory", is: fmt.Sprintf("%.1f GB available", kb/(1<<20))}
				if kb < 2<<20 {
					f.todo = "a running platform takes about 1.5 GB"
				}
				return f
			}
		}
	}
	return finding{what: "memory", is: "unknown"}
}

// portsFound says who has our ports. That is an obstacle unless it is ourselves.
func portsFound(ctx context.Context, i instance.Instance) []finding {
	if pid := platform.Supervisor(i); pid != 0 {
		return []finding{{what: "ports", is: fmt.Sprintf("the platform runs (pid %d)", pid)}}
	}
	apps, err := template.Read(filepath.Join(i.Root, "dapr", "dapr.yaml"))
	if err != nil {
		return []finding{{what: "dapr/dapr.yaml", is: err.Error(), bad: true, todo: "correct it"}}
	}
	var out []finding
	for p, who := range platform.Ports(i, apps) {
		if holder, taken := port.Taken(ctx, p); taken {
			out = append(out, finding{what: fmt.Sprintf("port %d", p), is: "taken by " + holder.String(), bad: true, todo: who + " needs it: end that process"})
		}
	}
	if len(out) == 0 {
		out = append(out, finding{what: "ports", is: "all free"})
	}
	return out
}
