package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"sidecart/kit/fault"
)

var errCursor = fault.ErrInvalid.With("cursor", "is not a cursor of this list")

// PageQuery is how a list is asked for; embed it in an input.
type PageQuery struct {
	Limit  int    `query:"limit" default:"20" validate:"min=1,max=100"`
	Cursor Cursor `query:"cursor"`
}

// Page is one stretch of a list. NextCursor is nil on the last.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Cursor is where a list goes on: the sort key of the last item seen, opaque to clients. The zero Cursor is the start.
type Cursor struct{ key []byte }

// UnmarshalText fails unless the text came from a Page.
func (c *Cursor) UnmarshalText(text []byte) error {
	key, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || !json.Valid(key) {
		return errors.New("is not a cursor of this list")
	}
	c.key = key
	return nil
}

// Into reads the sort key that the cursor holds. It fails with ErrInvalid if it is of another list, and leaves key
// alone at the start.
func (c Cursor) Into(key any) error {
	if c.key == nil {
		return nil
	}
	if err := json.Unmarshal(c.key, key); err != nil {
		return errCursor
	}
	return nil
}

// PageOf is a page of a list that read reads: at most so many after at, which is the start, or what key said of the
// last item that the caller has seen. It fails with ErrInvalid for a cursor of another list.
func PageOf[T, K any](q PageQuery, at K, read func(at K, most int) ([]T, error), key func(T) K) (page Page[T], err error) {
	if err := q.Cursor.Into(&at); err != nil {
		return page, err
	}
	items, err := read(at, q.Limit+1)
	if err != nil {
		return page, err
	}
	return NewPage(items, q.Limit, func(item T) any { return key(item) })
}

// NewPage is a page of the first limit of items; a store reads one more than limit so that the end is known. key is the
// sort key of an item.
func NewPage[T any](items []T, limit int, key func(T) any) (Page[T], error) {
	if items == nil {
		items = []T{}
	}
	if len(items) <= limit {
		return Page[T]{Items: items}, nil
	}
	items = items[:limit]
	text, err := json.Marshal(key(items[limit-1]))
	if err != nil {
		return Page[T]{}, err
	}
	next := base64.RawURLEncoding.EncodeToString(text)
	return Page[T]{Items: items, NextCursor: &next}, nil
}
