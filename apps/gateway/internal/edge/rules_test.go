package edge

import (
	"net/netip"
	"testing"
)

func TestPlain(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/api/v1/products/1": true, "/.well-known/jwks.json": true, "/a-b_c~d.e": true, "/...": true,
		"": false, "x": false, "//x": false, "/x//y": false, "/x/../y": false, "/x/..": false, "/./x": false, "/x/.": false,
		"/%2e": false, "/x;y": false, "/x\\y": false, "/x y": false, "/\xc3\xa9": false, "http://h/x": false, "/x#y": false, "/x:y": false,
	} {
		if isPlain([]byte(path)) != want {
			t.Errorf("%q: want %v", path, want)
		}
	}
}

func TestHostname(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "localhost", "LOCALHOST:8000": "localhost", "[::1]:8000": "[::1]", "[::1]": "[::1]", "[": "", "": "", "::1": "",
	} {
		if got := hostname(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestGroup(t *testing.T) {
	for addr, want := range map[string]string{"6.6.6.6": "6.6.6.6", "2001:db8::1": "2001:db8::/64", "2001:db8::ffff:2": "2001:db8::/64"} {
		if got := limitGroup(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestUnchanged(t *testing.T) {
	for _, test := range []struct {
		given, tag string
		want       bool
	}{
		{`"1"`, `"1"`, true}, {`W/"1"`, `"1"`, true}, {`"0", "1"`, `"1"`, true}, {`*`, `"1"`, true},
		{`"2"`, `"1"`, false}, {``, `"1"`, false}, {`*`, ``, false},
	} {
		if matchesETag(test.given, test.tag) != test.want {
			t.Errorf("%+v", test)
		}
	}
}
