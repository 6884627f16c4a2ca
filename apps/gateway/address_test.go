package main

import (
	"net/netip"
	"testing"

	"sidecart/apps/gateway/internal/edge"
)

func TestEdgeTrustsOnlyConfiguredProxies(t *testing.T) {
	proxy := []string{"127.0.0.0/8"}
	for name, test := range map[string]struct {
		proxies []string
		header  string
		want    string
	}{
		"no trusted proxy":        {nil, "6.6.6.6", "127.0.0.1"},
		"a proxy":                 {[]string{"127.0.0.0/8"}, "6.6.6.6", "6.6.6.6"},
		"what the client made up": {[]string{"127.0.0.0/8"}, "1.1.1.1, 6.6.6.6", "6.6.6.6"},
		"a chain of proxies":      {[]string{"127.0.0.0/8", "10.0.0.0/8"}, "1.1.1.1, 6.6.6.6, 10.0.0.9", "6.6.6.6"},
		"nonsense":                {proxy, "x", "127.0.0.1"},
		"with a port":             {proxy, "203.0.113.7:51234", "203.0.113.7"},
		"IPv6":                    {proxy, "2001:db8::1", "2001:db8::1"},
		"IPv6 in brackets":        {proxy, "[2001:db8::1]", "2001:db8::1"},
		"IPv6 with a port":        {proxy, "[2001:db8::1]:443", "2001:db8::1"},
		"in quotes":               {proxy, `"203.0.113.9"`, "203.0.113.9"},
		"all of it in quotes":     {proxy, `"[2001:db8::1]:443"`, "2001:db8::1"},
		"one quote":               {proxy, `"203.0.113.9`, "127.0.0.1"},
		"a zone":                  {proxy, "fe80::1%eth0", "fe80::1"},
		"a zone and a port":       {proxy, "[fe80::1%25eth0]:80", "fe80::1"},
		"IPv4 in IPv6":            {proxy, "::ffff:203.0.113.9", "203.0.113.9"},
		"spaces and tabs":         {proxy, "1.1.1.1 ,\t 203.0.113.9:80 \t", "203.0.113.9"},
		"empty elements":          {proxy, "203.0.113.9, , ,", "203.0.113.9"},
		"unknown":                 {proxy, "6.6.6.6, unknown", "127.0.0.1"},
		"unknown before":          {proxy, "unknown, 203.0.113.9", "203.0.113.9"},
		"two lines":               {proxy, "1.1.1.1\r\nX-Forwarded-For: 203.0.113.9:1", "203.0.113.9"},
		"a broken port":           {proxy, "203.0.113.9:99999", "127.0.0.1"},
		"an unclosed bracket":     {proxy, "[2001:db8::1", "127.0.0.1"},
		"leading zeros":           {proxy, "203.0.113.009", "127.0.0.1"},
		"bytes":                   {proxy, "\xff", "127.0.0.1"},
		"empty":                   {proxy, "", "127.0.0.1"},
		"a port, not trusted":     {nil, "203.0.113.7:51234", "127.0.0.1"},
		"Forwarded":               {proxy, "x\r\nForwarded: for=203.0.113.9", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, newUpstreams(t), edgeConfig(func(c *edge.Config) {
				for _, p := range test.proxies {
					c.Proxies = append(c.Proxies, netip.MustParsePrefix(p))
				}
			}))
			g.raw(t, "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 2\r\nX-Forwarded-For: "+test.header+"\r\n\r\n{}")
			if got := g.upstreams.lastRequest(t).Header["X-Forwarded-For"]; len(got) != 1 || got[0] != test.want {
				t.Errorf("%v, want %s", got, test.want)
			}
		})
	}
}
