package template

import (
	"errors"
	"fmt"
	"html/template"
	"slices"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	lru "github.com/hashicorp/golang-lru/v2"
)

// parseCache caches parsed templates by their text: parsing takes ten times as long as rendering. It may be used
// concurrently.
type parseCache[T any] struct {
	parsed *lru.Cache[string, T]
	parse  func(text string) (T, error)
}

var (
	texts = newParseCache(parseText)
	pages = newParseCache(func(text string) (*template.Template, error) {
		if _, err := parseText(text); err != nil { // the same rules, before html/template adds functions of its own
			return nil, err
		}
		return template.New("html").Parse(text)
	})
)

func newParseCache[T any](parse func(string) (T, error)) parseCache[T] {
	parsed, err := lru.New[string, T](256) // all built-in texts, and some of admins
	if err != nil {
		panic(err) // only for a size below 1
	}
	return parseCache[T]{parsed, parse}
}

func (c parseCache[T]) get(text string) (T, error) {
	if t, ok := c.parsed.Get(text); ok {
		return t, nil
	}
	t, err := c.parse(text)
	if err == nil {
		c.parsed.Add(text, t)
	}
	return t, err
}

// allowedFunctions are the functions that a template may call.
var allowedFunctions = []string{"and", "or", "not", "eq", "ne"}

var (
	errDefinition  = errors.New("must not define templates")
	errUnsupported = fmt.Errorf("only variables, if, with and the functions %s may be used", strings.Join(allowedFunctions, ", "))
)

// parseText fails for a text that is no template, or one that could run long or grow large.
func parseText(text string) (*texttemplate.Template, error) {
	t, err := texttemplate.New("").Parse(text)
	if err == nil {
		err = checker{}.check(true, t.Root)
	}
	if err == nil && len(t.Templates()) > 1 {
		err = errDefinition
	}
	return t, err
}

// checker refuses loops, templates in templates and functions that are not allowed. With names it also refuses other
// variables, even in branches that no value reaches.
type checker struct{ names []string }

// check checks nodes; dot is whether "." is the Variables there. Inside with it is one of them, which has no fields.
func (c checker) check(dot bool, nodes ...parse.Node) error {
	for _, n := range nodes {
		if err := c.checkNode(dot, n); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) checkNode(dot bool, n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		return c.check(dot, n.Nodes...)
	case *parse.ActionNode:
		return c.checkNode(dot, n.Pipe)
	case *parse.PipeNode:
		for _, command := range n.Cmds {
			if err := c.check(dot, command.Args...); err != nil {
				return err
			}
		}
	case *parse.IfNode:
		return c.check(dot, n.Pipe, n.List, n.ElseList)
	case *parse.WithNode:
		if err := c.check(dot, n.Pipe, n.ElseList); err != nil {
			return err
		}
		return c.checkNode(dot && n.Pipe.String() == "." || n.Pipe.String() == "$", n.List)
	case *parse.IdentifierNode:
		if !slices.Contains(allowedFunctions, n.Ident) {
			return fmt.Errorf("%s: %w", n.Ident, errUnsupported)
		}
	case *parse.RangeNode, *parse.TemplateNode:
		return errUnsupported
	}
	if c.names == nil {
		return nil
	}
	return c.checkName(dot, n)
}

func (c checker) checkName(dot bool, n parse.Node) error {
	var names []string
	switch n := n.(type) {
	case *parse.PipeNode:
		for _, variable := range n.Decl {
			if variable.Ident[0] == "$" {
				return fmt.Errorf("%s: $ cannot be assigned", n)
			}
		}
		return nil
	case *parse.FieldNode:
		if !dot {
			return fmt.Errorf("%s: inside with, write $%s", n, n)
		}
		names = n.Ident
	case *parse.VariableNode:
		if len(n.Ident) == 1 {
			return nil
		}
		if n.Ident[0] != "$" {
			return fmt.Errorf("%s: a variable has no fields", n)
		}
		names = n.Ident[1:]
	case *parse.ChainNode:
		return fmt.Errorf("%s: a variable has no fields", n)
	default:
		return nil
	}
	if len(names) != 1 || !slices.Contains(c.names, names[0]) {
		return fmt.Errorf("%s: unknown variable, use one of %s", n, strings.Join(c.names, ", "))
	}
	return nil
}
