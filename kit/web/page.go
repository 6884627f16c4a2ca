package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"sidecart/kit/fault"
)

var errCursor = fault.ErrInvalid.With("cursor", "is not a cursor of this list")

// PageQuery is the query of a list. Inputs embed it.
type PageQuery struct {
	Limit  int    `query:"limit" default:"20" validate:"min=1,max=100" doc:"Size of the page."`
	Cursor Cursor `query:"cursor" doc:"next_cursor of the page before."`
}

// Page is one page of a list. NextCursor is null on the last page.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Cursor is a position in a list: the sort key of the last item seen, opaque to clients. The zero Cursor is the start.
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

// Into decodes the sort key into key, which stays as it is for the zero Cursor. It fails with ErrInvalid for a cursor
// of another list.
func (c Cursor) Into(key any) error {
	if c.key == nil {
		return nil
	}
	if err := json.Unmarshal(c.key, key); err != nil {
		return errCursor
	}
	return nil
}

// PageOf reads a page: read returns at most limit items after a sort key, which is start or that of the cursor, and key
// is the sort key of an item. It fails with ErrInvalid for a cursor of another list.
func PageOf[T, K any](q PageQuery, start K, read func(after K, limit int) ([]T, error), key func(T) K) (Page[T], error) {
	after := start
	if err := q.Cursor.Into(&after); err != nil {
		return Page[T]{}, err
	}
	items, err := read(after, q.Limit+1)
	if err != nil {
		return Page[T]{}, err
	}
	return NewPage(items, q.Limit, func(item T) any { return key(item) })
}

// NewPage is the page of the first limit items. There is a next page if items has more. key is the sort key of an item.
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
