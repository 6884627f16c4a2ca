package document

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/shop"
)

// inOrder is an object whose members are written in an order.
type inOrder struct {
	members object
	names   []string
}

// MarshalJSON writes the members in order.
func (o inOrder) MarshalJSON() ([]byte, error) {
	text := bytes.NewBufferString("{")
	for i, name := range o.names {
		member, err := json.Marshal(o.members[name])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(text, "%q:%s", name, member)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

// orderPaths is the paths in the order of a buyer's first requests: by the tag of their operations, then as in the
// table. The operations of a path are in the table's order, too.
func orderPaths(paths object) inOrder {
	row := func(path, method string) int {
		return slices.IndexFunc(route.Table, func(r route.Route) bool {
			return r.Path() == path && strings.EqualFold(r.Method(), method)
		})
	}
	tags, members := map[string]int{}, object{}
	for path, operations := range paths {
		operations := operations.(object)
		for _, operation := range operations {
			names, _ := operation.(object)["tags"].([]any)
			tags[path] = slices.IndexFunc(shop.Tags, func(t shop.Tag) bool {
				return slices.Contains(names, any(t.Name))
			})
		}
		members[path] = inOrder{operations, slices.SortedFunc(maps.Keys(operations), func(a, b string) int {
			return cmp.Or(cmp.Compare(row(path, a), row(path, b)), cmp.Compare(a, b))
		})}
	}
	first := func(path string) int { return row(path, members[path].(inOrder).names[0]) }
	return inOrder{members, slices.SortedFunc(maps.Keys(paths), func(a, b string) int {
		return cmp.Or(cmp.Compare(tags[a], tags[b]), cmp.Compare(first(a), first(b)), cmp.Compare(a, b))
	})}
}
