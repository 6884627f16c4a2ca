package web_test

import (
	"bytes"
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/web"
)

// TestCursorKey: all replicas of a service read the same key.
func TestCursorKey(t *testing.T) {
	db := kittest.DB(t, web.Migrations)
	first, err := web.CursorKey(t.Context(), db)
	if err != nil || len(first) != 32 {
		t.Fatalf("%x, %v", first, err)
	}
	if second, err := web.CursorKey(t.Context(), db); err != nil || !bytes.Equal(first, second) {
		t.Errorf("%x, %v", second, err)
	}
}
