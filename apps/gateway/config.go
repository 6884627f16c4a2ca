package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"sidecart/apps/gateway/internal/edge"
	"sidecart/kit/config"
	"sidecart/kit/web"
)

// settings are what the environment says.
type settings struct {
	web         web.Config
	edge        edge.Config
	metricsAddr string
	redisAddr   string
	limitScale  int
	cacheBytes  int
	daprToken   string
}

// load reads the environment; what cannot be used is noted in env.
func load(env *config.Env) settings {
	hosts, scale := "", 1
	if env.Local() {
		hosts = "localhost,127.0.0.1,[::1]"
		scale = 10 // a laptop's buyers, tools and tests all come from one address
	}
	host := env.String("HOST", "127.0.0.1")
	s := settings{
		// The public door: whoever calls, it is not through the sidecar, so no sidecar's token is asked for.
		web: web.Config{
			Addr:      net.JoinHostPort(host, env.String("APP_PORT", "8000")),
			Streaming: true, Bare: true,
		},
		edge: edge.Config{Hosts: list(env.String("TRUSTED_HOSTS", hosts)), Origins: list(env.String("CORS_ORIGINS", ""))},
		// Metrics are for operators. On a port of their own they cannot be reached through the public one by any trick.
		metricsAddr: net.JoinHostPort(env.String("METRICS_HOST", "127.0.0.1"), env.String("METRICS_PORT", "8010")),
		redisAddr:   env.String("REDIS_ADDR", "localhost:16379"),
		limitScale:  env.Int("RATE_LIMIT_SCALE", scale, 1),
		cacheBytes:  env.Int("CACHE_BYTES", 16<<20, 1<<10),
		daprToken:   os.Getenv("DAPR_API_TOKEN"),
	}
	if len(s.edge.Hosts) == 0 {
		env.Reject("TRUSTED_HOSTS", errors.New("is not set: name the hosts that the platform answers to"))
	}
	for _, text := range list(env.String("TRUSTED_PROXIES", "")) {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			env.Reject("TRUSTED_PROXIES", fmt.Errorf("%q is not a network like 10.0.0.0/8", text))
		}
		s.edge.Proxies = append(s.edge.Proxies, network)
	}
	return s
}

// list is the words between commas.
func list(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' })
}
