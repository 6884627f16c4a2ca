// Package cloudformation reads CloudFormation templates, evaluates them as AWS would, and checks their resources
// against AWS's own schemas, all without AWS.
package cloudformation

import (
	"bytes"
	"fmt"
	"os"

	"github.com/aws-cloudformation/rain/cft/parse"
	"gopkg.in/yaml.v3"
)

// MaxSize is the largest template that `aws cloudformation deploy` sends without a bucket, in bytes.
const MaxSize = 51200

// Template is a template as it is in its file.
type Template struct {
	Version     string                               `yaml:"AWSTemplateFormatVersion"`
	Description string                               `yaml:"Description"`
	Parameters  map[string]Parameter                 `yaml:"Parameters"`
	Mappings    map[string]map[string]map[string]any `yaml:"Mappings"`
	Resources   map[string]Resource                  `yaml:"Resources"`
	Outputs     map[string]Output                    `yaml:"Outputs"`
}

// Parameter is an input of a stack.
type Parameter struct {
	Type           string `yaml:"Type"` // String or Number
	Default        *any   `yaml:"Default"`
	AllowedPattern string `yaml:"AllowedPattern"`
	MinLength      int    `yaml:"MinLength"`
	MinValue       int    `yaml:"MinValue"`
	Description    string `yaml:"Description"`
}

// Resource is one thing that AWS makes.
type Resource struct {
	Type                string         `yaml:"Type"`
	Properties          map[string]any `yaml:"Properties"`
	DependsOn           any            `yaml:"DependsOn"`
	DeletionPolicy      string         `yaml:"DeletionPolicy"`
	UpdateReplacePolicy string         `yaml:"UpdateReplacePolicy"`
}

// Output is a value of a stack. Other stacks import it by the name of its export.
type Output struct {
	Value  any `yaml:"Value"`
	Export struct {
		Name any `yaml:"Name"`
	} `yaml:"Export"`
}

// Read reads a template. It fails if AWS would not read the file, and if the file uses what this package does not know.
func Read(path string) (t Template, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // of the repository
	if err != nil {
		return t, err
	}
	if t, err = Parse(text); err != nil {
		return t, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Parse reads the text of a template.
func Parse(text []byte) (t Template, err error) {
	if len(text) > MaxSize {
		return t, fmt.Errorf("%d bytes; `aws cloudformation deploy` sends at most %d", len(text), MaxSize)
	}
	source, err := parse.String(string(text)) // !Ref and the like become objects
	if err != nil {
		return t, err
	}
	if err := plain(source.Node); err != nil {
		return t, err
	}
	long, err := yaml.Marshal(source.Node)
	if err != nil {
		return t, err
	}
	strict := yaml.NewDecoder(bytes.NewReader(long))
	strict.KnownFields(true)
	return t, strict.Decode(&t)
}

// plain fails at what CloudFormation's reader of YAML does not know.
func plain(n *yaml.Node) error {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return fmt.Errorf("line %d: CloudFormation knows no anchors and aliases", n.Line)
	}
	for _, child := range n.Content {
		if err := plain(child); err != nil {
			return err
		}
	}
	return nil
}
