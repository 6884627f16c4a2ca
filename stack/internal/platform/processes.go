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

// The names of the infrastructure's processes, in state.json, logs, and for hold and release.
const (
	postgresName  = "postgres"
	redisName     = "redis"
	placementName = "placement"
	schedulerName = "scheduler"
	mailName      = "mailhog"
	sentryName    = "sentry"
)

// background is the scheduling priority of processes that no request waits for: when the machine is overloaded,
// notifications are late and the shop is not.
const background = 5

func nice(a template.App) int {
	if a.ID == "notifications" {
		return background
	}
	return 0
}

// SidecarName is the name of a service's sidecar.
func SidecarName(app string) string { return app + "-dapr" }

// infraPorts are the ports of the infrastructure, with the names of their processes.
func infraPorts(i instance.Instance) map[int]string {
	ports := map[int]string{}
	for p, name := range map[int]string{
		instance.Postgres: postgresName, instance.Redis: redisName,
		instance.Placement: placementName, instance.PlacementHealth: placementName,
		instance.PlacementRaft: placementName,
		instance.Scheduler:     schedulerName, instance.SchedulerHealth: schedulerName,
		instance.SchedulerEtcdClient: schedulerName, instance.SchedulerEtcdPeer: schedulerName,
		instance.MailSMTP: mailName, instance.MailWeb: mailName,
		instance.Sentry: sentryName, instance.SentryHealth: sentryName,
	} {
		ports[i.Port(p)] = name
	}
	return ports
}

// Ports are all ports of an instance, with the names of their processes.
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

func redisSpec(i instance.Instance, path string, set secret.Set) proc.Spec {
	return broker.Server{
		Program: path, Data: i.Path("redis"), Port: i.Port(instance.Redis),
		Password: set["redis-password"], Log: i.Log(redisName),
	}.Spec(redisName)
}

// sentrySpec is Dapr's certificate authority for sidecars, placement and the scheduler.
func sentrySpec(i instance.Instance, d program.Dapr) proc.Spec {
	s := controlPlane(i, sentryName, d.Sentry, instance.Sentry, instance.SentryHealth)
	s.Env = []string{"NAMESPACE=" + identity.Namespace}
	s.Args = append(s.Args, identity.SentryArgs(i)...)
	return s
}

func placementSpec(i instance.Instance, d program.Dapr) proc.Spec {
	s := controlPlane(i, placementName, d.Placement, instance.Placement, instance.PlacementHealth)
	s.Env = identity.Env(i, identity.Placement)
	s.Args = append(append(s.Args, identity.ControlPlaneArgs(i)...),
		"--initial-cluster", "dapr-placement-0="+loopback(i, instance.PlacementRaft))
	return s
}

func schedulerSpec(i instance.Instance, d program.Dapr) proc.Spec {
	s := controlPlane(i, schedulerName, d.Scheduler, instance.Scheduler, instance.SchedulerHealth)
	s.Env = identity.Env(i, identity.Scheduler)
	s.Args = append(append(s.Args, identity.ControlPlaneArgs(i)...),
		"--override-broadcast-host-port", loopback(i, instance.Scheduler),
		"--etcd-data-dir", i.Path("scheduler"),
		"--etcd-client-port", portText(i, instance.SchedulerEtcdClient),
		"--etcd-initial-cluster", "dapr-scheduler-server-0=https://"+loopback(i, instance.SchedulerEtcdPeer),
		"--etcd-initial-election-tick-advance",
		"--identity-directory-write", i.Path("identities", "scheduler"))
	return s
}

// controlPlane is what sentry, placement and the scheduler have in common.
func controlPlane(i instance.Instance, name, path string, port, healthPort int) proc.Spec {
	health := healthy(i.Port(healthPort), "/healthz")
	return proc.Spec{
		Name: name, Path: path, Dir: i.Dir(), Log: i.Log(name), Grace: 2 * time.Second,
		Ports: map[string]int{"grpc": i.Port(port), "health": i.Port(healthPort)},
		Args: []string{
			"--listen-address", "127.0.0.1", "--port", portText(i, port),
			"--healthz-listen-address", "127.0.0.1", "--healthz-port", portText(i, healthPort),
			"--enable-metrics=false", // placement cannot bind its metrics to loopback
		},
		Ready: health, Alive: health,
	}
}

// mailSpec is MailHog, which delivers no mail: it stores all in memory.
func mailSpec(i instance.Instance, path string) proc.Spec {
	web := loopback(i, instance.MailWeb)
	health := healthy(i.Port(instance.MailWeb), "/api/v2/messages?limit=1")
	return proc.Spec{
		Name: mailName, Path: path, Dir: i.Dir(), Log: i.Log(mailName), Grace: time.Second, Nice: background,
		Ports: map[string]int{"smtp": i.Port(instance.MailSMTP), "web": i.Port(instance.MailWeb)},
		Args: []string{
			"-smtp-bind-addr", loopback(i, instance.MailSMTP), "-api-bind-addr", web, "-ui-bind-addr", web,
			"-hostname", "mail.sidecart.example",
		},
		Ready: health, Alive: health,
	}
}

// sidecarSpec probes the sidecar's API, without the app: a sidecar that stays unhealthy may have lost a component, and
// a restart helps.
func sidecarSpec(i instance.Instance, d program.Dapr, a template.App, t secret.Tokens, env []string) proc.Spec {
	name := SidecarName(a.Name())
	_, ports := a.Ports()
	health := healthy(a.HTTPPort, "/v1.0/healthz/outbound")
	return proc.Spec{
		Name: name, Path: d.Daprd, Args: append(a.SidecarArgs(), identity.SidecarArgs(i)...), Dir: a.Dir,
		Log: i.Log(name), Ports: ports, Grace: 4 * time.Second, Nice: nice(a),
		// DAPR_HOST_IP is the address that the sidecar registers.
		Env:   append(env, "DAPR_API_TOKEN="+t.Dapr, "APP_API_TOKEN="+t.App, "DAPR_HOST_IP=127.0.0.1"),
		Ready: health, Alive: health,
	}
}

// appSpec restarts a service only without any response: a restart does not help one that reports itself as unhealthy.
func appSpec(i instance.Instance, a template.App, t secret.Tokens) proc.Spec {
	path, args := a.Command[0], a.Command[1:]
	if _, ok := a.GoPackage(); ok {
		path, args = filepath.Join(i.AppBin(), a.ID), nil
	}
	ports, _ := a.Ports()
	return proc.Spec{
		Name: a.Name(), Path: path, Args: args, Dir: a.Dir, Log: i.Log(a.Name()), Ports: ports,
		Grace: 6 * time.Second, Nice: nice(a),
		Env:   append(a.AppEnv(), "DAPR_API_TOKEN="+t.Dapr, "APP_API_TOKEN="+t.App),
		Ready: healthy(a.Port, healthPath(a)), Alive: responds(a.Port, healthPath(a)),
	}
}

func healthPath(a template.App) string { return cmp.Or(a.HealthPath, "/healthz") }

func portText(i instance.Instance, p int) string { return strconv.Itoa(i.Port(p)) }

func loopback(i instance.Instance, p int) string { return "127.0.0.1:" + portText(i, p) }

// healthy is a probe that requires a 2xx response.
func healthy(port int, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		code, body, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		if err == nil && code/100 != 2 {
			err = fmt.Errorf("%d %s", code, strings.TrimSpace(body))
		}
		return err
	}
}

// responds is a probe that accepts any response.
func responds(port int, path string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _, err := get(ctx, fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
		return err
	}
}

var probes = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}

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
