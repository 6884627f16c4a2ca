package shop_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/shop"
)

var update = flag.Bool("update", false, "write the golden files of events that have none")

// TestOldEventsDecode: brokers, outboxes and dead letters may deliver an event of any old version. Each version has a
// golden file, which is never changed. Each of its fields must still be read with the same meaning.
func TestOldEventsDecode(t *testing.T) {
	known := map[string]bool{}
	for _, entry := range shop.Events {
		topic, current := entry.Event.Topic(), shop.Version(entry.Event)
		for version := 1; version <= current; version++ {
			path := filepath.Join("testdata", "events", fmt.Sprintf("%s.v%d.json", topic, version))
			known[path] = true
			golden, err := os.ReadFile(path)
			if os.IsNotExist(err) && *update && version == current {
				golden, err = written(path, reflect.TypeOf(entry.Event))
			}
			if err != nil {
				t.Errorf("%v\na new event, or a new version, has a golden file: go test ./kit/shop -run TestOldEventsDecode -update", err)
				continue
			}
			decodes(t, path, golden, reflect.TypeOf(entry.Event))
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if !known[path] {
			t.Errorf("%s: no type reads events of this topic and version any more", path)
		}
	}
}

// decodes fails where a field of the golden event gets lost, or comes back as something else.
func decodes(t *testing.T, path string, golden []byte, typ reflect.Type) {
	t.Helper()
	e := reflect.New(typ)
	if err := json.Unmarshal(golden, e.Interface()); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	again, err := json.Marshal(e.Interface())
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	for _, loss := range losses("", value(t, golden), value(t, again)) {
		t.Errorf("%s: %s", path, loss)
	}
}

func value(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// losses are where now lacks something that before had. More fields are no loss.
func losses(at string, before, now any) (all []string) {
	switch b := before.(type) {
	case map[string]any:
		n, _ := now.(map[string]any)
		for name, v := range b {
			all = append(all, losses(at+"."+name, v, n[name])...)
		}
		return all
	case []any:
		n, _ := now.([]any)
		if len(n) == len(b) {
			for i := range b {
				all = append(all, losses(fmt.Sprintf("%s[%d]", at, i), b[i], n[i])...)
			}
			return all
		}
	}
	if !reflect.DeepEqual(before, now) {
		all = append(all, fmt.Sprintf("%s was %v and is %v", strings.TrimPrefix(at, "."), before, now))
	}
	return all
}

func TestLosses(t *testing.T) {
	before := value(t, []byte(`{"a":1,"b":[{"c":"x"}]}`))
	for now, want := range map[string]int{
		`{"a":1,"b":[{"c":"x"}]}`: 0, `{"a":1,"b":[{"c":"x","d":2}],"e":3}`: 0,
		`{"b":[{"c":"x"}]}`: 1, `{"a":"1","b":[{}]}`: 2, `{"a":1,"b":[]}`: 1, `{}`: 2,
	} {
		if got := losses("", before, value(t, []byte(now))); len(got) != want {
			t.Errorf("%s: %q, want %d", now, got, want)
		}
	}
}

// written makes the golden file of an event in which no field is empty.
func written(path string, typ reflect.Type) ([]byte, error) {
	e := reflect.New(typ).Elem()
	fill(e, typ.Name())
	text, err := json.MarshalIndent(e.Interface(), "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	return text, os.WriteFile(path, append(text, '\n'), 0o600)
}

func fill(v reflect.Value, name string) {
	switch v.Interface().(type) {
	case uuid.UUID:
		v.Set(reflect.ValueOf(uuid.NewSHA1(uuid.NameSpaceOID, []byte(name))))
		return
	case shop.Money:
		v.Set(reflect.ValueOf(shop.MustMoney("299.99")))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 25, 12, 34, 56, 789000000, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("the " + name)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), name)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	default:
		panic("what is " + v.Type().String() + " like?")
	}
}
