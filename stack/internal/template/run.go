package template

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// AppEnv is what the CLI sets for an app, beyond what it inherits.
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

// Loopback keeps the listeners of a sidecar that the CLI leaves open to the network on this machine.
var Loopback = []string{"--dapr-internal-grpc-listen-address", "127.0.0.1", "--metrics-listen-address", "127.0.0.1"}

// SidecarArgs are the arguments of daprd: those that the CLI would give and, because this platform is for one machine,
// loopback for the listeners that the CLI leaves open to the network.
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
	args = option(args, "--config", a.Config)
	args = option(args, "--dapr-listen-addresses", a.ListenAddresses)
	args = option(args, "--log-level", a.LogLevel)
	if a.MaxRequestMB > 0 {
		args = append(args, "--max-body-size", strconv.Itoa(a.MaxRequestMB)+"Mi")
	}
	return append(args, a.healthArgs()...)
}

func (a App) healthArgs() []string {
	if !a.HealthCheck {
		return nil
	}
	args := option([]string{"--enable-app-health-check"}, "--app-health-check-path", a.HealthPath)
	for flag, n := range map[string]int{
		"--app-health-probe-interval": a.HealthInterval,
		"--app-health-probe-timeout":  a.HealthTimeout,
		"--app-health-threshold":      a.HealthThreshold,
	} {
		if n > 0 {
			args = append(args, flag, strconv.Itoa(n))
		}
	}
	return args
}

// Ports are those that the app and its sidecar will listen on, by purpose. An app's further ones are in its environment:
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

// GoPackage is the package that the command `go run PKG` names; building it first lets signals reach the app itself.
func (a App) GoPackage() (string, bool) {
	if len(a.Command) == 3 && a.Command[0] == "go" && a.Command[1] == "run" {
		return a.Command[2], true
	}
	return "", false
}

func option(args []string, flag, value string) []string {
	if value == "" {
		return args
	}
	return append(args, flag, value)
}
