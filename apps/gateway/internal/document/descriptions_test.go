package document

import (
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write descriptions.json")

// TestDescriptionsAreTheComments: the API's document describes schemas and their properties by the comments of
// the Go types.
func TestDescriptionsAreTheComments(t *testing.T) {
	made := map[string]map[string]string{}
	for _, pattern := range []string{"../../../*/internal/*/*.go", "../../../../kit/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				describeFile(t, file, made)
			}
		}
	}
	text, err := json.MarshalIndent(made, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("descriptions.json", append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	var stored map[string]map[string]string
	if err := json.Unmarshal(descriptions, &stored); err != nil || !reflect.DeepEqual(stored, made) {
		t.Errorf("descriptions.json differs from the comments (%v): run make generate", err)
	}
}

// describeFile adds the commented struct types of a file that have JSON members, under their schema names.
func describeFile(t *testing.T, name string, made map[string]map[string]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || len(group.Specs) != 1 {
			continue
		}
		typ, ok := group.Specs[0].(*ast.TypeSpec)
		if !ok {
			continue
		}
		structure, ok := typ.Type.(*ast.StructType)
		if !ok {
			continue
		}
		described := map[string]string{}
		names := jsonNames(structure, described)
		if len(names) == 0 {
			continue
		}
		schema := strings.ToUpper(typ.Name.Name[:1]) + typ.Name.Name[1:]
		if subject, rest, ok := strings.Cut(group.Doc.Text(), " "); ok && subject == typ.Name.Name {
			described[""] = schema + " " + inJSON(rest, names)
		}
		switch _, twice := made[schema]; {
		case !twice:
			made[schema] = described
		case !strings.Contains(name, "/kit/"): // a type of an app comes before one of kit
			made[schema] = map[string]string{} // either may be meant
		}
	}
}

// jsonNames are the names of a struct's members by those of its fields. Their comments go into described.
func jsonNames(structure *ast.StructType, described map[string]string) map[string]string {
	names := map[string]string{}
	for _, field := range structure.Fields.List {
		if field.Tag == nil || len(field.Names) != 1 {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names[field.Names[0].Name] = name
		if text := field.Doc.Text() + field.Comment.Text(); text != "" {
			described[name] = text
		}
	}
	for name, text := range described {
		described[name] = inJSON(text, names)
	}
	return names
}

var word = regexp.MustCompile(`\w+`)

// inJSON is a comment on one line, with members under their JSON names and null for nil.
func inJSON(comment string, names map[string]string) string {
	return word.ReplaceAllStringFunc(strings.Join(strings.Fields(comment), " "), func(word string) string {
		switch name, ok := names[word]; {
		case ok:
			return "`" + name + "`"
		case word == "nil":
			return "null"
		case word == "Nil":
			return "Null"
		}
		return word
	})
}
