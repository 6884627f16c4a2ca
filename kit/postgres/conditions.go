package postgres

import (
	"strconv"
	"strings"
)

// Conditions builds the where clause of a query from the filters that a request has, so that Postgres can use an index
// for each. A clause like "$1 is null or a = $1" keeps a generic plan from using an index.
type Conditions struct {
	all  []string
	Args []any
}

// And adds a condition; each ? in it stands for an argument.
func (c *Conditions) And(condition string, args ...any) {
	c.all = append(c.all, c.Fill(condition, args...))
}

// AndSet adds a condition with one argument, unless that is the zero value: an empty string or a nil pointer.
func AndSet[T comparable](c *Conditions, condition string, arg T) {
	var zero T
	if arg != zero {
		c.And(condition, arg)
	}
}

// Fill replaces each ? in another part of the query by an argument.
func (c *Conditions) Fill(text string, args ...any) string {
	for _, a := range args {
		c.Args = append(c.Args, a)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.Args)), 1)
	}
	return text
}

// String needs at least one condition.
func (c *Conditions) String() string { return strings.Join(c.all, " and ") }
