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

// requirement is a row of the doctor's table.
type requirement struct {
	what, is, todo string
	blocking       bool // the platform cannot run until the user acts
}

// doctor lists what the platform needs, what is missing and what to do. Its exit code is 1 when a requirement is
// blocking.
func doctor(ctx context.Context, c command) error {
	all := []requirement{
		{what: "go", is: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH},
		server(ctx, "postgres", "postgresql", program.FindPostgres),
		server(ctx, "redis", "redis-server", program.FindRedis),
		optional(server(ctx, "chromium (for make test)", "chromium", program.FindChromium)),
		optional(server(ctx, "nginx (for make test)", "nginx-light", program.FindNginx)),
	}
	all = append(all, dapr(ctx, c.Instance), disk(c.Root), memory())
	all = append(all, ports(c.Instance)...)
	w := tabwriter.NewWriter(os.Stdout, 2, 2, 2, ' ', 0)
	blocked := false
	for _, f := range all {
		mark := "ok"
		switch {
		case f.blocking:
			mark, blocked = "MISSING", true
		case f.todo != "":
			mark = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", mark, f.what, f.is, f.todo)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if blocked {
		fmt.Println("\nThe platform cannot run yet: do what is in the lines marked MISSING.")
		return exitCode(1)
	}
	fmt.Println("\nThe platform can run: make run")
	return nil
}

func server(ctx context.Context, what, pkg string, find func(context.Context) (string, error)) requirement {
	path, err := find(ctx)
	if err == nil {
		return requirement{what: what, is: path}
	}
	if program.CanInstall() {
		return requirement{what: what, is: "not found", todo: "nothing: the first start installs " + pkg}
	}
	install := "sudo apt-get update && sudo apt-get install -y " + pkg
	return requirement{what: what, is: err.Error(), blocking: true, todo: install}
}

// optional makes a requirement not blocking.
func optional(f requirement) requirement {
	f.blocking = false
	return f
}

func dapr(ctx context.Context, i instance.Instance) requirement {
	const what = "daprd, placement, scheduler, sentry"
	d, err := program.FindDapr(ctx)
	if err != nil {
		var built bool
		if d, built = program.BuiltDapr(i); !built {
			return requirement{
				what: what, is: "not found",
				todo: "nothing: the first start builds them, in some minutes; to avoid that, run `dapr init --slim`",
			}
		}
	}
	return requirement{what: what, is: filepath.Dir(d.Daprd) + ", " + program.Version(ctx, d.Daprd)}
}

func disk(root string) requirement {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(root, &fs); err != nil {
		return requirement{what: "disk", is: err.Error()}
	}
	free := float64(fs.Bavail) * float64(fs.Bsize) / (1 << 30)
	f := requirement{what: "disk", is: fmt.Sprintf("%.0f GB free", free)}
	if free < 8 {
		f.todo = "the first build of Dapr needs about 4 GB for Go's caches"
	}
	return f
}

func memory() requirement {
	text, _ := os.ReadFile("/proc/meminfo")
	_, rest, _ := strings.Cut(string(text), "MemAvailable:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return requirement{what: "memory", is: "unknown"}
	}
	f := requirement{what: "memory", is: fmt.Sprintf("%.1f GB available", kb/(1<<20))}
	if kb < 2<<20 {
		f.todo = "the platform needs about 1.5 GB"
	}
	return f
}

// ports lists the processes that use our ports, unless that is the platform itself.
func ports(i instance.Instance) []requirement {
	if pid := platform.Supervisor(i); pid != 0 {
		return []requirement{{what: "ports", is: fmt.Sprintf("the platform runs (pid %d)", pid)}}
	}
	apps, err := template.Read(filepath.Join(i.Root, "dapr", "dapr.yaml"))
	if err != nil {
		return []requirement{{what: "dapr/dapr.yaml", is: err.Error(), blocking: true, todo: "correct it"}}
	}
	var out []requirement
	for p, name := range platform.Ports(i, apps) {
		if process, used := port.InUse(p); used {
			out = append(out, requirement{
				what: fmt.Sprintf("port %d, for %s", p, name), is: "used by " + process.String(), blocking: true,
				todo: "stop that process",
			})
		}
	}
	if len(out) == 0 {
		out = append(out, requirement{what: "ports", is: "all free"})
	}
	return out
}
