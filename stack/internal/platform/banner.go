package platform

import (
	"fmt"
	"strings"

	"sidecart/stack/internal/instance"
)

// banner shows the addresses once the platform is ready.
func (r *run) banner() {
	gateway := fmt.Sprintf("http://localhost:%d", r.Port(8000))
	lines := []string{
		fmt.Sprintf("ready in %.1fs: five services, each beside its Dapr sidecar", r.log.Elapsed().Seconds()),
		"",
		"  shop        " + gateway,
		"  API         " + gateway + "/docs",
		"  health      " + gateway + "/health/services",
		fmt.Sprintf("  mail        http://localhost:%d", r.Port(instance.MailWeb)),
		"  logs        make logs SERVICE=orders     (files in " + r.Path("logs") + ")",
		"  try it      make demo",
		"  or          curl -s " + gateway + "/api/v1/products",
		"",
		"Ctrl-C or `make stop` stops the platform; its data stays.",
	}
	r.log.Printf("%s", strings.Join(lines, "\n          "))
}

func (r *run) infraBanner() {
	servers := []string{}
	for _, s := range []struct {
		name string
		port int
	}{
		{"Postgres", instance.Postgres}, {"Redis", instance.Redis}, {"sentry", instance.Sentry},
		{"placement", instance.Placement}, {"scheduler", instance.Scheduler}, {"mail", instance.MailWeb},
	} {
		servers = append(servers, fmt.Sprintf("%s :%d", s.name, r.Port(s.port)))
	}
	lines := []string{
		fmt.Sprintf("ready in %.1fs: %s", r.log.Elapsed().Seconds(), strings.Join(servers, ", ")),
		"",
		"Now start the services with Dapr's CLI (`.sidecart/bin/stack tools cli` builds it):",
		"",
		"  . " + r.Path("env") + " && dapr run -f " + r.Template(),
		"",
		"`make stop` stops the infrastructure; its data stays.",
	}
	r.log.Printf("%s", strings.Join(lines, "\n          "))
}
