package topology

import (
	"path"
	"slices"
	"strings"

	"sidecart/tools/daprgen/access"
)

// list is an access list as Dapr 1.18 stores it (its pkg/config/acl_trie.go): one level per path segment, in the order
// of their first entry. The first match decides.
type list struct {
	segment string
	verbs   []string // nil where no entry ends
	next    []*list
}

func newList(operations []access.Operation) *list {
	top := &list{}
	for _, o := range operations {
		node := top
		for _, segment := range strings.Split(o.Path, "/")[1:] {
			i := slices.IndexFunc(node.next, func(l *list) bool { return l.segment == segment })
			if i < 0 {
				i = len(node.next)
				node.next = append(node.next, &list{segment: segment})
			}
			node = node.next[i]
		}
		if node.verbs == nil {
			node.verbs = o.Verbs
		}
	}
	return top
}

// allows reports whether a sidecar with this list, and deny for the rest, allows a call.
func (l *list) allows(verb, where string) bool {
	segments := strings.Split(strings.ToLower(where), "/")[1:]
	node := l
	for i, segment := range segments {
		last := i == len(segments)-1
		if node = node.find(segment, last); node == nil {
			return false
		}
		if node.verbs != nil {
			if !last && node.segment == "*" {
				continue
			}
			return slices.Contains(node.verbs, verb)
		}
		if last {
			node = node.find("*", true)
			return node != nil && slices.Contains(node.verbs, verb)
		}
	}
	return false
}

func (l *list) find(segment string, last bool) *list {
	for _, n := range l.next {
		switch {
		case n.segment == segment, n.segment == "**", n.segment == "*" && last:
			return n
		case n.segment == "*":
			continue
		}
		if matched, err := path.Match(n.segment, segment); err == nil && matched {
			return n
		}
	}
	return nil
}
