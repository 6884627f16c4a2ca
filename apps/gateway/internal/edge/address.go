package edge

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// client is the address that a request comes from: of the connection, unless that is a trusted proxy's; then the last
// address in X-Forwarded-For that is not one. What stands before it anybody could have written.
func (d *Edge) client(c *fiber.Ctx) netip.Addr {
	client := addrOf(c.Context().RemoteAddr())
	if len(d.cfg.Proxies) == 0 {
		return client
	}
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	for i := len(hops) - 1; i >= 0 && d.proxy(client); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = before.Unmap().WithZone("")
	}
	return client
}

func (d *Edge) proxy(addr netip.Addr) bool {
	return slices.ContainsFunc(d.cfg.Proxies, func(network netip.Prefix) bool { return network.Contains(addr) })
}

func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// limitGroup is what limits count of an address: a household has a whole /64 of IPv6 addresses, which are one caller.
func limitGroup(addr netip.Addr) string {
	if !addr.Is6() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
