package edge

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// client returns the client's address: that of the connection, or behind trusted proxies the last address in
// X-Forwarded-For that is no trusted proxy. Addresses before it can be forged. Where a proxy names no address, as with
// "unknown", it is the address of that proxy. The header Forwarded is not read.
func (e *Edge) client(c *fiber.Ctx) netip.Addr {
	client := addrOf(c.Context().RemoteAddr())
	if len(e.cfg.Proxies) == 0 {
		return client
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0 && e.proxy(client); i-- {
		if strings.Trim(hops[i], " \t") == "" {
			continue // an empty element of a list means nothing
		}
		before, ok := parseHop(hops[i])
		if !ok {
			break
		}
		client = before
	}
	return client
}

// parseHop parses what proxies write into X-Forwarded-For: an address, with a port or without, an IPv6 address also in
// brackets, and all of it also in quotes.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.Trim(text, " \t")
	if inner, ok := strings.CutPrefix(text, `"`); ok {
		if text, ok = strings.CutSuffix(inner, `"`); !ok {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(text)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		addr, err = netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	} else if err != nil {
		var pair netip.AddrPort
		pair, err = netip.ParseAddrPort(text)
		addr = pair.Addr()
	}
	return addr.Unmap().WithZone(""), err == nil
}

func (e *Edge) proxy(addr netip.Addr) bool {
	return slices.ContainsFunc(e.cfg.Proxies, func(network netip.Prefix) bool { return network.Contains(addr) })
}

func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// limitGroup returns the key that limits count: an IPv4 address, or the /64 network of an IPv6 address.
func limitGroup(addr netip.Addr) string {
	if !addr.Is6() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
