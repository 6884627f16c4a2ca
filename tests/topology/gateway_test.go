package topology

import (
	"maps"
	"slices"
	"testing"

	"sidecart/tools/daprgen/access"
)

// TestGatewayTable: the gateway's table has exactly the services' public routes, with the same permissions.
func TestGatewayTable(t *testing.T) {
	table, own := map[string]bool{}, map[string]bool{}
	for _, line := range access.PublicRoutes(t) {
		table[line] = true
	}
	for service, all := range routes(t) {
		for _, r := range all {
			own[service+" "+access.OfService(r.do)+" ("+r.need+")"] = true
		}
	}
	if len(table) < 10 {
		t.Fatalf("only %d lines of the gateway's table were found", len(table))
	}
	for _, line := range slices.Sorted(maps.Keys(table)) {
		if !own[line] {
			t.Errorf("the gateway leads to %s, and the service has no such route", line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(own)) {
		if !table[line] {
			t.Errorf("%s is not in the gateway's table; mark it web.Internal or add it there", line)
		}
	}
}
