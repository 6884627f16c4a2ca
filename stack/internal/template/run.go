package template

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// AppEnv is the environment that the CLI sets for an app, in addition to the inherited one.
func (a App) AppEnv() []string {
	env := []string{
		"APP_ID=" + a.ID,
		"APP_CHANNEL_ADDRESS=",
		"APP_PORT=" + strconv.Itoa(a.Port),
		"DAPR_HTTP_PORT=" + strconv.Itoa(a.HTTPPort),
		"DAPR_GRPC_PORT=" + strconv.Itoa(a.GRPCPort),
		"DAPR_METRICS_PORT=" + strconv.Itoa(a.MetricsPort),
		"APP_PROTOCOL=" + strings.ToLower(a.Protocol),
	}
	for _, k := range slices.Sorted(maps.Keys(a.Env)) {
		env = append(env, k+"="+a.Env[k])
	}
	return env
}

// Loopback binds the listeners of a sidecar that the CLI opens to the network to this machine.
var Loopback = []string{"--dapr-internal-grpc-listen-address", "127.0.0.1", "--metrics-listen-address", "127.0.0.1"}

// SidecarArgs are the arguments of daprd: those of the CLI, and Loopback.
func (a App) SidecarArgs() []string {
	args := []string{
		"--app-id", a.ID,
		"--app-port", strconv.Itoa(a.Port),
		"--app-protocol", a.Protocol,
		"--dapr-http-port", strconv.Itoa(a.HTTPPort),
		"--dapr-grpc-port", strconv.Itoa(a.GRPCPort),
		"--dapr-internal-grpc-port", strconv.Itoa(a.InternalGRPCPort),
		"--metrics-port", strconv.Itoa(a.MetricsPort),
		"--placement-host-address", a.Placement,
		"--scheduler-host-address", a.Scheduler,
		"--dapr-graceful-shutdown-seconds", "3",
	}
	args = append(args, Loopback...)
	for _, r := range a.Resources {
		args = append(args, "--resources-path", r)
	}
	args = option(args, "--config", a.Config, "")
	args = option(args, "--dapr-listen-addresses", a.ListenAddresses, "")
	args = option(args, "--log-level", a.LogLevel, "")
	args = option(args, "--max-body-size", a.MaxRequestMB, "Mi")
	if !a.HealthCheck {
		return args
	}
	args = option(append(args, "--enable-app-health-check"), "--app-health-check-path", a.HealthPath, "")
	args = option(args, "--app-health-probe-interval", a.HealthInterval, "")
	args = option(args, "--app-health-probe-timeout", a.HealthTimeout, "")
	return option(args, "--app-health-threshold", a.HealthThreshold, "")
}

// Ports are those that the app and its sidecar listen on, by purpose. An app can have more ports in its environment:
// METRICS_PORT is its port "metrics".
func (a App) Ports() (app, sidecar map[string]int) {
	app = map[string]int{"app": a.Port}
	for k, v := range a.Env {
		if name, ok := strings.CutSuffix(k, "_PORT"); ok {
			if p, err := strconv.Atoi(v); err == nil {
				app[strings.ToLower(name)] = p
			}
		}
	}
	return app, map[string]int{
		"http": a.HTTPPort, "grpc": a.GRPCPort, "internal": a.InternalGRPCPort, "metrics": a.MetricsPort,
	}
}

// GoPackage is the package of the command `go run PKG`. The stack builds it first: then signals reach the app itself.
func (a App) GoPackage() (string, bool) {
	if len(a.Command) == 3 && a.Command[0] == "go" && a.Command[1] == "run" {
		return a.Command[2], true
	}
	return "", false
}

// option adds a flag whose value is set.
func option[T comparable](args []string, flag string, value T, unit string) []string {
	if value == *new(T) {
		return args
	}
	return append(args, flag, fmt.Sprint(value)+unit)
}
