package postgres

import (
	"strconv"
	"strings"
)

// Conditions grow into a query: one for each filter that is given, so that Postgres plans for those alone. A condition
// that also says "or there is no such filter" keeps it from an index, once it plans for all values alike.
type Conditions struct {
	all  []string
	Args []any
}

// And adds a condition in which each ? is an argument.
func (c *Conditions) And(condition string, args ...any) {
	c.all = append(c.all, c.Fill(condition, args...))
}

// Fill makes each ? of another part of the query an argument.
func (c *Conditions) Fill(text string, args ...any) string {
	for _, a := range args {
		c.Args = append(c.Args, a)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.Args)), 1)
	}
	return text
}

// String needs at least one condition.
func (c *Conditions) String() string { return strings.Join(c.all, " and ") }
