package category

import (
	"encoding/json"
	"testing"
)

func TestTree(t *testing.T) {
	parent := func(id int64) *int64 { return &id }
	got := tree([]Category{{ID: 3, ParentID: parent(2)}, {ID: 1}, {ID: 2, ParentID: parent(1)}, {ID: 4}, {ID: 5, ParentID: parent(1)}})
	if len(got) != 2 || got[0].ID != 1 || got[1].ID != 4 || got[1].Children == nil {
		t.Fatalf("%+v", got)
	}
	if first := got[0].Children; len(first) != 2 || first[0].ID != 2 || first[1].ID != 5 || first[0].Children[0].ID != 3 {
		t.Errorf("%+v", first)
	}
	if text, _ := json.Marshal(tree(nil)); string(text) != "[]" {
		t.Errorf("empty tree: %s", text)
	}
}
