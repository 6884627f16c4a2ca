package template

import (
	"errors"
	"html/template"
	texttemplate "text/template"

	lru "github.com/hashicorp/golang-lru/v2"
)

// parseCache remembers the templates that were used last: to read one takes ten times as long as to fill it.
type parseCache[T any] struct {
	known *lru.Cache[string, T] // by text
	parse func(text string) (T, error)
}

var (
	texts = newParseCache(parseText)
	pages = newParseCache(func(text string) (*template.Template, error) {
		if _, err := parseText(text); err != nil { // the same rules, before html/template adds its own functions
			return nil, err
		}
		return template.New("html").Parse(text)
	})
)

func newParseCache[T any](parse func(string) (T, error)) parseCache[T] {
	known, err := lru.New[string, T](256) // all that is built in, and some of admins
	if err != nil {
		panic(err) // only for a size that is none
	}
	return parseCache[T]{known, parse}
}

// of may be called by many at once, and so may what it returns be filled.
func (p parseCache[T]) of(text string) (T, error) {
	if t, ok := p.known.Get(text); ok {
		return t, nil
	}
	t, err := p.parse(text)
	if err == nil {
		p.known.Add(text, t)
	}
	return t, err
}

var errDefinition = errors.New("must not define templates")

// parseText fails for what is no template, or one that could run long or grow large.
func parseText(text string) (*texttemplate.Template, error) {
	t, err := texttemplate.New("").Parse(text)
	if err == nil {
		err = checkNodes(t.Root)
	}
	if err == nil && len(t.Templates()) > 1 {
		err = errDefinition
	}
	return t, err
}
