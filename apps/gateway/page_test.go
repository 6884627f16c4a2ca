package main

import (
	"strings"
	"testing"
)

// TestPages: what mails lead to is there, runs nothing inline, and may load from nobody else.
func TestPages(t *testing.T) {
	g := start(t, newUpstreams(t))
	for path, kind := range map[string]string{
		"/live": "text/html", "/verify-email?token=x": "text/html", "/reset-password?token=x": "text/html", "/unsubscribe?token=x": "text/html",
		"/pages/live.js": "text/javascript", "/pages/key.js": "text/javascript", "/pages/style.css": "text/css", "/pages/icon.svg": "image/svg+xml",
	} {
		a := g.do(t, "GET "+path, "")
		policy := a.header.Get("Content-Security-Policy")
		if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || a.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("%s: %s", path, policy)
		}
		for _, inline := range []string{"<style", "style=", "onclick", "onsubmit", "<script>", "innerHTML", "eval("} {
			if strings.Contains(a.body, inline) {
				t.Errorf("%s has %s", path, inline)
			}
		}
	}
	if a := g.do(t, "GET /pages/page.go", ""); a.status != 404 {
		t.Errorf("another file: %d", a.status)
	}
}
