package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"reflect"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

const notACursor = "is not a cursor of this list"

var errCursor = fault.ErrInvalid.With("cursor", notACursor)

// PageQuery is the query of a list. Inputs embed it.
type PageQuery struct {
	Limit  int    `query:"limit" page:"any" default:"20" validate:"min=1,max=100" doc:"Size of the page."`
	Cursor Cursor `query:"cursor" page:"any" empty:"true" doc:"next_cursor of the page before, with the same parameters except limit. Empty for the first page."`
}

// Page is one page of a list. NextCursor is null on the last page.
type Page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Cursor is a position in a list: the sort key of the last item seen. It is signed, and valid for the same caller and
// the same path and query only, without the parameters that are tagged page:"any". The zero Cursor is the start.
type Cursor struct {
	text []byte // as sent
	key  []byte // the sort key as JSON; nil at the start
	list []byte // what signs the cursors of this list
}

const signatureSize = 16

var encoding64 = base64.RawURLEncoding.Strict()

// UnmarshalText keeps the text, which is verified when the whole input is decoded.
func (c *Cursor) UnmarshalText(text []byte) error {
	c.text = bytes.Clone(text)
	return nil
}

// open verifies the text of a cursor of a list, and reports whether it is one.
func (c *Cursor) open(list []byte) bool {
	c.list = list
	if c.text == nil {
		return true
	}
	signed, err := encoding64.DecodeString(string(c.text))
	if err != nil || len(signed) < signatureSize || encoding64.EncodeToString(signed) != string(c.text) {
		return false // the decoder skips line breaks
	}
	key := signed[signatureSize:]
	if !hmac.Equal(signed[:signatureSize], sign(list, key)) {
		return false
	}
	c.key = key
	return true
}

// next is the text of the cursor of a later position in the same list.
func (c Cursor) next(key any) (string, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return "", err
	}
	return encoding64.EncodeToString(append(sign(c.list, text), text...)), nil
}

func sign(list, key []byte) []byte {
	mac := hmac.New(sha256.New, list)
	mac.Write(key)
	return mac.Sum(nil)[:signatureSize]
}

// Into decodes the sort key into key, which stays as it is for the zero Cursor. It fails with ErrInvalid for a cursor
// of another release with another sort key.
func (c Cursor) Into(key any) error {
	switch {
	case c.text == nil:
		return nil
	case c.key == nil && !c.open(c.list): // of no request, as in tests of a method
		return errCursor
	}
	dec := json.NewDecoder(bytes.NewReader(c.key))
	dec.DisallowUnknownFields()
	if err := dec.Decode(key); err != nil {
		return errCursor
	}
	return nil
}

// openCursor verifies the cursor of an input whose other parameters are decoded.
func (plan *inputPlan) openCursor(caller shop.Caller, in reflect.Value, op *operation, bad fields) {
	mac := hmac.New(sha256.New, op.cursorKey)
	values := []any{plan.route, caller.ID}
	for _, p := range plan.params {
		if p.in != "header" && p.Tag.Get("page") != "any" {
			values = append(values, in.FieldByIndex(p.Index).Interface())
		}
	}
	if err := json.NewEncoder(mac).Encode(values); err != nil {
		bad.add("cursor", notACursor) // a parameter that has no JSON is invalid, and named
		return
	}
	cursor := in.FieldByIndex(plan.cursor).Addr().Interface().(*Cursor)
	if !cursor.open(mac.Sum(nil)) {
		bad.add("cursor", notACursor)
	}
}

// PageOf reads a page: read returns at most limit items after a sort key, which is start or that of the cursor, and key
// is the sort key of an item. It fails with ErrInvalid as Cursor.Into does.
func PageOf[T, K any](q PageQuery, start K, read func(after K, limit int) ([]T, error), key func(T) K) (Page[T], error) {
	after := start
	if err := q.Cursor.Into(&after); err != nil {
		return Page[T]{}, err
	}
	items, err := read(after, q.Limit+1)
	if err != nil {
		return Page[T]{}, err
	}
	return NewPage(items, q, func(item T) any { return key(item) })
}

// NewPage is the page of the first items, at most q.Limit. There is a next page if items has more. key is the sort key
// of an item.
func NewPage[T any](items []T, q PageQuery, key func(T) any) (Page[T], error) {
	if items == nil {
		items = []T{}
	}
	if len(items) <= q.Limit {
		return Page[T]{Items: items}, nil
	}
	items = items[:q.Limit]
	next, err := q.Cursor.next(key(items[q.Limit-1]))
	if err != nil {
		return Page[T]{}, err
	}
	return Page[T]{Items: items, NextCursor: &next}, nil
}
