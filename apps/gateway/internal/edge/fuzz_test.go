package edge

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// FuzzPlain: a path that passes the check is parsed alike by all: as it is written, by net/url, by
// fasthttp, and after it was cleaned.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{
		"/", "/api/v1/products/1", "/api/v1/../internal", "/api/v1/%2e%2e/internal", "//", "/a//b", "/a/./b", "/a/..", "/.", "/a;b", "/a\\..\\b", "/a%00", "/\x00",
		"/a/...", "/.well-known/jwks.json", "/~a/-._", "http://h/a", "*", "", "/a?b", "/a#b", "/caf\u00e9", "/a/..;/b", "/a/%c0%ae", "/" + strings.Repeat("a", 1024),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !isPlain([]byte(text)) {
			return
		}
		if len(text) > maxPathLength {
			t.Fatalf("%d bytes", len(text))
		}
		if u, err := url.ParseRequestURI(text); err != nil || u.Path != text || u.RawQuery != "" || u.EscapedPath() != text {
			t.Fatalf("net/url reads %+v, %v", u, err)
		}
		var uri fasthttp.URI
		if err := uri.Parse(nil, []byte(text)); err != nil || string(uri.Path()) != text || string(uri.RequestURI()) != text {
			t.Fatalf("fasthttp reads %q, %v", uri.Path(), err)
		}
		if clean := path.Clean(text); clean != text && clean+"/" != text {
			t.Fatalf("cleaned, it is %q", clean)
		}
	})
}

// FuzzHostname: a Host is accepted only if it is a configured one, with or without a port.
func FuzzHostname(f *testing.F) {
	for _, seed := range []string{"localhost", "LOCALHOST:8000", "[::1]:8000", "[", "]", "[]", "::1", "localhost:x:y", "localhost.", "localhost@evil", "evil\x00localhost", ":80", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name := hostname(host)
		if name != "localhost" {
			return
		}
		if rest := strings.ToLower(host)[len(name):]; !strings.HasPrefix(strings.ToLower(host), name) || rest != "" && rest[0] != ':' {
			t.Fatalf("%q is taken for localhost", host)
		}
	})
}
