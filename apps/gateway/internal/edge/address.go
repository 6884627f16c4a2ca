package edge

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// client returns the client's address: that of the connection, or behind trusted proxies the last address in
// X-Forwarded-For that is no trusted proxy. Addresses before it can be forged.
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
		before, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = before.Unmap().WithZone("")
	}
	return client
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
