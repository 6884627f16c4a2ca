package platform

import (
	"fmt"
	"strings"

	"sidecart/stack/internal/instance"
)

// greet says where things are, once everything is well.
func (r *run) greet() {
	at := fmt.Sprintf("http://localhost:%d", r.Port(8000))
	lines := []string{
		fmt.Sprintf("ready in %.1fs: five services, each beside its Dapr sidecar", r.log.Elapsed().Seconds()),
		"",
		"  shop        " + at,
		"  API         " + at + "/docs",
		"  health      " + at + "/health/services",
		fmt.Sprintf("  mail        http://localhost:%d", r.Port(instance.MailWeb)),
		"  logs        make logs SERVICE=orders     (files in " + r.Path("logs") + ")",
		"  try it      make demo",
		"  or          curl -s " + at + "/api/v1/products",
		"",
		"Ctrl-C or `make stop` stops all of it; the data stays.",
	}
	r.log.Say("%s", strings.Join(lines, "\n          "))
}

func (r *run) greetInfra() {
	lines := []string{
		fmt.Sprintf("ready in %.1fs: Postgres :%d, Redis :%d, sentry :%d, placement :%d, scheduler :%d, mail :%d", r.log.Elapsed().Seconds(),
			r.Port(instance.Postgres), r.Port(instance.Redis), r.Port(instance.Sentry), r.Port(instance.Placement), r.Port(instance.Scheduler), r.Port(instance.MailWeb)),
		"",
		"Now the services, by Dapr's own CLI:",
		"",
		"  . " + r.Path("env") + " && dapr run -f " + r.Template(),
		"",
		"`make stop` stops what is underneath; the data stays.",
	}
	r.log.Say("%s", strings.Join(lines, "\n          "))
}
