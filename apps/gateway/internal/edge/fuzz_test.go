package edge

import (
	"net/netip"
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

// FuzzForwardedFor: what proxies wrote makes a valid address without a zone or the text is no address, and the address
// with a port, brackets or quotes around it is the same.
func FuzzForwardedFor(f *testing.F) {
	for _, seed := range []string{
		"203.0.113.7", "203.0.113.7:51234", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", `"203.0.113.9"`, `"[2001:db8::1]:443"`, "fe80::1%eth0",
		"[fe80::1%25eth0]:80", "::ffff:203.0.113.9", " 203.0.113.9\t", "unknown", "_hidden", "", "[", "]", "[]", "[]:1", `"`, `""`, "203.0.113.009", "1.2.3",
		"203.0.113.9:99999", "203.0.113.9:", ":80", "0x7f.1", "\xff", "127.0.0.1\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		addr, ok := parseHop(text)
		if !ok {
			return
		}
		if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() || !netip.MustParseAddr(addr.String()).IsValid() {
			t.Fatalf("%q is %+v", text, addr)
		}
		for _, form := range []string{addr.String(), `"` + addr.String() + `"`, netip.AddrPortFrom(addr, 443).String(), " " + addr.String() + "\t"} {
			if again, ok := parseHop(form); !ok || again != addr {
				t.Fatalf("%q is %s, written as %s %s", text, addr, form, again)
			}
		}
	})
}
