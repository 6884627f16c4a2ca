package cloudformation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/dlclark/regexp2"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas is the folder of the schemas of AWS's registry, which the module rain has. Its version in go.mod pins them.
var schemas = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws-cloudformation/rain").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		return "", fmt.Errorf("the module of AWS's schemas is not there: go mod download github.com/aws-cloudformation/rain: %w", err)
	}
	return filepath.Join(dir, "internal/aws/cfn/schemas"), nil
})

// schema is what the registry says of a kind of resource.
type schema struct {
	ReadOnly   []string `json:"readOnlyProperties"`
	Required   []string `json:"required"`
	Properties map[string]any

	path string
}

func readSchema(kind string) (s schema, err error) {
	dir, err := schemas()
	if err != nil {
		return s, err
	}
	s.path = filepath.Join(dir, strings.ToLower(strings.ReplaceAll(kind, "::", "/"))+".json")
	text, err := os.ReadFile(s.path) //nolint:gosec // of a module
	if err != nil {
		return s, fmt.Errorf("AWS has no resource of the type %s: %w", kind, err)
	}
	return s, json.Unmarshal(text, &s)
}

// hasAttribute fails if a resource of the kind has no such attribute for GetAtt.
func hasAttribute(kind, name string) error {
	s, err := readSchema(kind)
	if err != nil {
		return err
	}
	pointer := "/properties/" + name
	if slices.Contains(s.ReadOnly, pointer) || slices.Contains(s.ReadOnly, "/properties/"+strings.ReplaceAll(name, ".", "/")) {
		return nil
	}
	if _, ok := s.Properties[name]; ok {
		return nil
	}
	return fmt.Errorf("%s has no attribute %s", kind, name)
}

// Check checks the properties of an evaluated resource against AWS's schema: names, types, required ones, patterns and
// allowed values.
func Check(r Resource) error {
	s, err := readSchema(r.Type)
	if err != nil {
		return err
	}
	compiled, err := compile(s.path)
	if err != nil {
		return err
	}
	for name := range r.Properties {
		if slices.Contains(s.ReadOnly, "/properties/"+name) && !slices.Contains(s.Required, name) && !settable[r.Type+"."+name] {
			return fmt.Errorf("AWS sets %s itself", name)
		}
	}
	text, err := json.Marshal(r.Properties)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// settable are properties that the schemas call read-only, and that the documentation lets a template set.
var settable = map[string]bool{"AWS::ElastiCache::ReplicationGroup.ReplicationGroupId": true}

// compile reads a schema. AWS's patterns are those of Java, which Go's own package does not have.
func compile(path string) (*jsonschema.Schema, error) {
	file, err := os.Open(path) //nolint:gosec // of a module
	if err != nil {
		return nil, err
	}
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		return nil, err
	}
	// The schemas name a meta-schema of AWS; they are of draft 7.
	object, ok := document.(map[string]any)
	if !ok {
		return nil, errors.New("the schema is no object")
	}
	delete(object, "$schema")
	delete(object, "$id")
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseRegexpEngine(func(pattern string) (jsonschema.Regexp, error) {
		re, err := regexp2.Compile(pattern, regexp2.ECMAScript)
		return (*javaRegexp)(re), err
	})
	if err := c.AddResource("schema.json", object); err != nil {
		return nil, err
	}
	return c.Compile("schema.json")
}

type javaRegexp regexp2.Regexp

func (re *javaRegexp) MatchString(text string) bool {
	matched, err := (*regexp2.Regexp)(re).MatchString(text)
	return err == nil && matched
}

func (re *javaRegexp) String() string { return (*regexp2.Regexp)(re).String() }
