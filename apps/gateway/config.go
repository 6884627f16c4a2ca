package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"sidecart/apps/gateway/internal/edge"
	"sidecart/kit/config"
	"sidecart/kit/web"
)

// settings are the gateway's settings from the environment.
type settings struct {
	web         web.Config
	edge        edge.Config
	metricsAddr string
	redisAddr   string
	redisTLS    *tls.Config // nil without
	limitScale  int
	cacheBytes  int
	daprToken   string
	mailPageURL string
}

// readSettings reads the environment and adds errors to env.
func readSettings(env *config.Env) settings {
	hosts, scale := "", 1
	if env.Local() {
		hosts = "localhost,127.0.0.1,[::1]"
		scale = 10 // on a laptop, users, tools and tests share one address
	}
	host := env.String("HOST", "127.0.0.1")
	s := settings{
		// Clients do not call through the sidecar, so the app requires no sidecar's token.
		web: web.Config{
			Addr:      net.JoinHostPort(host, env.String("APP_PORT", "8000")),
			Streaming: true, Bare: true,
		},
		edge: edge.Config{Hosts: list(env.String("TRUSTED_HOSTS", hosts)), Origins: list(env.String("CORS_ORIGINS", ""))},
		// Metrics are for operators and have a port of their own, so that the public port never serves them.
		metricsAddr: net.JoinHostPort(env.String("METRICS_HOST", "127.0.0.1"), env.String("METRICS_PORT", "8010")),
		redisAddr:   env.String("REDIS_ADDR", "localhost:16379"),
		limitScale:  env.Int("RATE_LIMIT_SCALE", scale, 1),
		cacheBytes:  env.Int("CACHE_BYTES", 16<<20, 1<<10),
		daprToken:   os.Getenv("DAPR_API_TOKEN"),
		mailPageURL: env.String("MAIL_PAGE_URL", ""),
	}
	if env.Bool("REDIS_TLS", false) {
		s.redisTLS = &tls.Config{MinVersion: tls.VersionTLS12} // with the authorities of the system, or SSL_CERT_DIR
	}
	if u, err := url.Parse(s.mailPageURL); err != nil || s.mailPageURL != "" && u.Scheme != "http" && u.Scheme != "https" {
		env.Reject("MAIL_PAGE_URL", errors.New("is not an http or https URL"))
	}
	if len(s.edge.Hosts) == 0 {
		env.Reject("TRUSTED_HOSTS", errors.New("is not set: list the host names of the platform"))
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

// list splits a text at commas and spaces.
func list(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' })
}
