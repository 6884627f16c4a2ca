package platform

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sidecart/stack/internal/broker"
	"sidecart/stack/internal/database"
	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// The names of what is underneath the services, in state.json, in logs and for hold and release.
const (
	postgresName  = "postgres"
	redisName     = "redis"
	placementName = "placement"
	schedulerName = "scheduler"
	mailName      = "mailhog"
	sentryName    = "sentry"
)

// patient is how far those give way whom nobody waits for: who is told, is told a moment later where the machine has more to
// do than it can.
const patient = 5

// nice is how far an app and its sidecar give way.
func nice(a template.App) int {
	if a.ID == "notifications" {
		return patient
	}
	return 0
}

// SidecarName is the name of a service's sidecar.
func SidecarName(app string) string { return app + "-dapr" }

// infraPorts are the ports that are taken beneath the services.
func infraPorts(i instance.Instance) map[int]string {
	ports := map[int]string{}
	for p, name := range map[int]string{
		instance.Postgres: postgresName, instance.Redis: redisName,
		instance.Placement: placementName, instance.PlacementHealth: placementName, instance.PlacementRaft: placementName,
		instance.Scheduler: schedulerName, instance.SchedulerHealth: schedulerName,
		instance.SchedulerEtcdClient: schedulerName, instance.SchedulerEtcdPeer: schedulerName,
		instance.MailSMTP: mailName, instance.MailWeb: mailName,
		instance.Sentry: sentryName, instance.SentryHealth: sentryName,
	} {
		ports[i.Port(p)] = name
	}
	return ports
}

// Ports are all ports that an instance takes, with the name of who takes them.
func Ports(i instance.Instance, apps []template.App) map[int]string {
	ports := infraPorts(i)
	for _, a := range apps {
		own, sidecar := a.Ports()
		for _, p := range own {
			ports[p] = a.Name()
		}
		for _, p := range sidecar {
			ports[p] = SidecarName(a.Name())
		}
	}
	return ports
}

func postgresServer(i instance.Instance, bin, password string) database.Server {
	return database.Server{
		Bin: bin, Data: i.Path("postgres"), Port: i.Port(instance.Postgres), Password: password,
		Log: i.Log(postgresName), Durable: true,
	}
}

// owners are the databases that the services need before they start.
func owners(i instance.Instance, set secret.Set) ([]database.Owner, error) {
	var out []database.Owner
	for _, name := range secret.Databases {
		pw, err := set.Password(name)
		if err != nil {
			return nil, err
		}
		o := database.Owner{Name: name, Password: pw}
		switch name {
		case "users":
			if o.Kept, err = filepath.Glob(filepath.Join(i.Root, "apps/users/internal/audit/migrations/*.sql")); err != nil {
				return nil, err
			}
		case "products":
			o.Extensions = []string{"pg_trgm", "unaccent"} // search; only a superuser may create them
		case "orders":
			o.Schemas = []string{"workflows"} // Dapr's tables, apart from the service's own
		}
		out = append(out, o)
	}
	return out, nil
}

func redisServer(i instance.Instance, path string, set secret.Set) broker.Server {
	return broker.Server{
		Program: path, Data: i.Path("redis"), Port: i.Port(instance.Redis),
		Password: set["redis-password"], Log: i.Log(redisName),
	}
}

// sentry is the authority that every sidecar, placement and the scheduler have their certificates from.
func sentry(i instance.Instance, d program.Dapr) proc.Spec {
	return controlPlane(i, sentryName, d.Sentry, instance.Sentry, instance.SentryHealth, []string{"NAMESPACE=" + identity.Namespace}, identity.SentryArgs(i)...)
}

func placement(i instance.Instance, d program.Dapr) proc.Spec {
	return controlPlane(i, placementName, d.Placement, instance.Placement, instance.PlacementHealth, identity.Env(i, identity.Placement),
		append(identity.ControlPlaneArgs(i), "--initial-cluster", "dapr-placement-0=127.0.0.1:"+portText(i, instance.PlacementRaft))...)
}

func scheduler(i instance.Instance, d program.Dapr) proc.Spec {
	return controlPlane(i, schedulerName, d.Scheduler, instance.Scheduler, instance.SchedulerHealth, identity.Env(i, identity.Scheduler),
		append(identity.ControlPlaneArgs(i),
			"--override-broadcast-host-port", "127.0.0.1:"+portText(i, instance.Scheduler),
			"--etcd-data-dir", i.Path("scheduler"),
			"--etcd-client-port", portText(i, instance.SchedulerEtcdClient),
			"--etcd-initial-cluster", "dapr-scheduler-server-0=https://127.0.0.1:"+portText(i, instance.SchedulerEtcdPeer),
			"--etcd-initial-election-tick-advance",
			"--identity-directory-write", i.Path("identities", "scheduler"))...)
}

// controlPlane is what sentry, placement and the scheduler have in common.
func controlPlane(i instance.Instance, name, path string, port, healthPort int, env []string, args ...string) proc.Spec {
	well := healthy(i.Port(healthPort), "/healthz")
	return proc.Spec{
		Name: name, Path: path, Dir: i.Dir(), Log: i.Log(name), Grace: 2 * time.Second, Env: env,
		Ports: map[string]int{"grpc": i.Port(port), "health": i.Port(healthPort)},
		Args: append(args,
			"--listen-address", "127.0.0.1", "--port", portText(i, port),
			"--healthz-listen-address", "127.0.0.1", "--healthz-port", portText(i, healthPort),
			"--enable-metrics=false"), // placement's listener cannot be kept from the network
		Ready: well, Alive: well,
	}
}

// mailServer takes every mail and delivers none: it keeps them in memory, so they are gone with it.
func mailServer(i instance.Instance, path string) proc.Spec {
	web := i.Port(instance.MailWeb)
	return proc.Spec{
		Name: mailName, Path: path, Dir: i.Dir(), Log: i.Log(mailName), Grace: time.Second, Nice: patient,
		Ports: map[string]int{"smtp": i.Port(instance.MailSMTP), "web": web},
		Args: []string{
			"-smtp-bind-addr", "127.0.0.1:" + portText(i, instance.MailSMTP),
			"-api-bind-addr", "127.0.0.1:" + portText(i, instance.MailWeb), "-ui-bind-addr", "127.0.0.1:" + portText(i, instance.MailWeb),
			"-hostname", "mail.sidecart.example",
		},
		Ready: healthy(web, "/api/v2/messages?limit=1"), Alive: healthy(web, "/api/v2/messages?limit=1"),
	}
}

// sidecar hangs when its API (not the app behind it) is unwell: it may have lost a component for good.
func sidecar(i instance.Instance, d program.Dapr, a template.App, t secret.Tokens, env []string) proc.Spec {
	_, ports := a.Ports()
	well := healthy(a.HTTPPort, "/v1.0/healthz/outbound")
	return proc.Spec{
		Name: SidecarName(a.Name()), Path: d.Daprd, Args: append(a.SidecarArgs(), identity.SidecarArgs(i)...), Dir: a.Dir,
		Log:   i.Log(SidecarName(a.Name())),
		Ports: ports, Grace: 4 * time.Second, Nice: nice(a),
		Env: append(env, "DAPR_API_TOKEN="+t.Dapr, "APP_API_TOKEN="+t.App,
			"DAPR_HOST_IP=127.0.0.1"), // what it announces to the others
		Ready: well, Alive: well,
	}
}

func app(i instance.Instance, a template.App, t secret.Tokens) proc.Spec {
	path, args := a.Command[0], a.Command[1:]
	if _, ok := a.GoPackage(); ok {
		path, args = filepath.Join(i.AppBin(), a.ID), nil
	}
	ports, _ := a.Ports()
	return proc.Spec{
		Name: a.Name(), Path: path, Args: args, Dir: a.Dir, Log: i.Log(a.Name()), Ports: ports, Grace: 6 * time.Second, Nice: nice(a),
		Env:   append(a.AppEnv(), "DAPR_API_TOKEN="+t.Dapr, "APP_API_TOKEN="+t.App),
		Ready: healthy(a.Port, healthPath(a)), Alive: answers(a.Port, healthPath(a)),
	}
}

func healthPath(a template.App) string { return cmp.Or(a.HealthPath, "/healthz") }

func portText(i instance.Instance, p int) string { return strconv.Itoa(i.Port(p)) }

// healthy is a probe that wants a 2xx.
func healthy(port int, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		code, body, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		if err != nil {
			return err
		}
		if code < 200 || code > 299 {
			return fmt.Errorf("%d %s", code, strings.TrimSpace(body))
		}
		return nil
	}
}

// answers is a probe that is content with any answer: a service that says it is unwell is not stuck.
func answers(port int, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		return err
	}
}

var probes = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func get(ctx context.Context, url string) (code int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := probes.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(text), err
}
