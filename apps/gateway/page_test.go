package main

import (
	"encoding/json"
	"strings"
	"testing"

	"sidecart/apps/gateway/internal/page"
	"sidecart/apps/gateway/internal/route"
)

// TestPages: the pages are served, have nothing inline, and may load only from this server.
func TestPages(t *testing.T) {
	g := start(t, newUpstreams(t))
	for path, kind := range map[string]string{
		"/": "text/html", "/pages/front.js": "text/javascript", "/live": "text/html", "/verify-email?token=x": "text/html", "/reset-password?token=x": "text/html", "/unsubscribe?token=x": "text/html",
		"/pages/live.js": "text/javascript", "/pages/key.js": "text/javascript", "/pages/style.css": "text/css", "/pages/icon.svg": "image/svg+xml",
	} {
		a := g.do(t, "GET "+path, "", "Accept: text/html,application/xhtml+xml,*/*;q=0.8")
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

// TestIndex: a program gets the front page as JSON, with and without a local mail server.
func TestIndex(t *testing.T) {
	for mails, accept := range map[string]string{"": "*/*", "http://localhost:18025": "application/json"} {
		g := start(t, newUpstreams(t), func(s *settings, _ *[]route.Route) { s.mailPageURL = mails })
		a := g.do(t, "GET /", "", "Accept: "+accept)
		var index page.Index
		if err := json.Unmarshal([]byte(a.body), &index); err != nil || a.status != 200 || a.header.Get("Vary") != "Accept" {
			t.Fatalf("%d %v %s", a.status, a.header, a.body)
		}
		if index.Links["mails"] != mails {
			t.Errorf("mails: %q, want %q", index.Links["mails"], mails)
		}
		for name, link := range index.Links {
			if name != "mails" && g.do(t, "GET "+link, "").status == 404 {
				t.Errorf("%s: %s is not found", name, link)
			}
		}
	}
}
