package cloudformation

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws-cloudformation/rain/cft/parse"
)

// Pseudo are AWS's own parameters, as they would be in one account and region.
var Pseudo = map[string]any{
	"AWS::AccountId": "123456789012", "AWS::Region": "eu-central-1", "AWS::Partition": "aws",
	"AWS::URLSuffix": "amazonaws.com",
}

// Stack is an evaluated template: what AWS would make.
type Stack struct {
	Resources map[string]Resource
	Outputs   map[string]any
	Exports   map[string]any
	Imports   []string // the exports of other stacks that it uses
}

type evaluation struct {
	Template
	parameters map[string]any
	exports    map[string]any
	used       map[string]bool // parameters
	imports    map[string]bool
}

// Evaluate resolves all functions of a template. Exports are those of other stacks. What AWS invents, like the address
// of a database, is a text that has the resource's name. It fails at anything that would not be there, and at
// parameters that nothing uses.
func Evaluate(t Template, parameters map[string]string, exports map[string]any) (Stack, error) {
	e := &evaluation{t, map[string]any{}, exports, map[string]bool{}, map[string]bool{}}
	s := Stack{Resources: map[string]Resource{}, Outputs: map[string]any{}, Exports: map[string]any{}}
	if err := e.setParameters(parameters); err != nil {
		return s, err
	}
	for name, r := range t.Resources {
		properties, err := e.value(r.Properties)
		if err == nil {
			err = e.checkDependsOn(r.DependsOn)
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
		r.Properties, _ = properties.(map[string]any)
		s.Resources[name] = r
	}
	for name, o := range t.Outputs {
		value, err1 := e.value(o.Value)
		export, err2 := e.value(o.Export.Name)
		if err := errors.Join(err1, err2); err != nil {
			return s, fmt.Errorf("output %s: %w", name, err)
		}
		s.Outputs[name] = value
		if export != nil {
			s.Exports[fmt.Sprint(export)] = value
		}
	}
	for name := range t.Parameters {
		if !e.used[name] {
			return s, fmt.Errorf("nothing uses the parameter %s", name)
		}
	}
	s.Imports = slices.Sorted(maps.Keys(e.imports))
	return s, nil
}

func (e *evaluation) setParameters(given map[string]string) error {
	for name, p := range e.Parameters {
		text, ok := given[name]
		if !ok && p.Default == nil {
			return fmt.Errorf("the parameter %s has no value", name)
		}
		if !ok {
			text = fmt.Sprint(*p.Default)
		}
		if len(text) < p.MinLength {
			return fmt.Errorf("the parameter %s is shorter than %d", name, p.MinLength)
		}
		if p.AllowedPattern != "" && !regexp.MustCompile("^(?:"+p.AllowedPattern+")$").MatchString(text) {
			return fmt.Errorf("the parameter %s is %q, not like %s", name, text, p.AllowedPattern)
		}
		switch p.Type {
		case "String":
			e.parameters[name] = text
		case "Number":
			number, err := strconv.Atoi(text)
			if err != nil || number < p.MinValue {
				return fmt.Errorf("the parameter %s is %q, not a number of at least %d", name, text, p.MinValue)
			}
			e.parameters[name] = number
		default:
			return fmt.Errorf("the parameter %s has the type %s", name, p.Type)
		}
	}
	return nil
}

func (e *evaluation) checkDependsOn(names any) error {
	list, isList := names.([]any)
	if one, ok := names.(string); ok && !isList {
		list = []any{one}
	}
	for _, name := range list {
		if _, ok := e.Resources[fmt.Sprint(name)]; !ok {
			return fmt.Errorf("DependsOn %v, which is no resource", name)
		}
	}
	return nil
}

// value evaluates a part of a template.
func (e *evaluation) value(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		for name, argument := range v {
			if len(v) == 1 && (name == "Ref" || strings.HasPrefix(name, "Fn::")) {
				result, err := e.call(name, argument)
				if err != nil {
					return nil, fmt.Errorf("%s %v: %w", name, argument, err)
				}
				return result, nil
			}
		}
		out := map[string]any{}
		for name, inner := range v {
			value, err := e.value(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = value
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, inner := range v {
			value, err := e.value(inner)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	default:
		return v, nil
	}
}

func (e *evaluation) call(name string, argument any) (any, error) {
	if name == "Fn::Sub" {
		return e.sub(argument)
	}
	value, err := e.value(argument)
	if err != nil {
		return nil, err
	}
	list, _ := value.([]any)
	switch name {
	case "Ref":
		return e.ref(fmt.Sprint(value))
	case "Fn::ImportValue":
		return e.importValue(fmt.Sprint(value))
	case "Fn::GetAZs":
		return []any{"eu-central-1a", "eu-central-1b", "eu-central-1c"}, nil
	case "Fn::GetAtt":
		if len(list) == 2 {
			return e.attribute(fmt.Sprint(list[0]), fmt.Sprint(list[1]))
		}
	case "Fn::Join":
		if len(list) == 2 {
			return join(list[0], list[1])
		}
	case "Fn::Split":
		if len(list) == 2 {
			return split(list[0], list[1]), nil
		}
	case "Fn::Select":
		if len(list) == 2 {
			return pick(list[0], list[1])
		}
	case "Fn::FindInMap":
		if len(list) == 3 {
			return e.find(fmt.Sprint(list[0]), fmt.Sprint(list[1]), fmt.Sprint(list[2]))
		}
	}
	return nil, errors.New("unknown function or wrong arguments")
}

func (e *evaluation) ref(name string) (any, error) {
	if value, ok := Pseudo[name]; ok {
		return value, nil
	}
	if value, ok := e.parameters[name]; ok {
		e.used[name] = true
		return value, nil
	}
	if r, ok := e.Resources[name]; ok {
		return invented(r.Type, name, "Ref"), nil
	}
	return nil, errors.New("neither a parameter nor a resource")
}

func (e *evaluation) importValue(name string) (any, error) {
	e.imports[name] = true
	value, ok := e.exports[name]
	if !ok {
		return nil, fmt.Errorf("no stack before this one exports %s", name)
	}
	return value, nil
}

func (e *evaluation) attribute(resource, name string) (any, error) {
	r, ok := e.Resources[resource]
	if !ok {
		return nil, fmt.Errorf("%s is no resource", resource)
	}
	return invented(r.Type, resource, name), hasAttribute(r.Type, name)
}

// sub replaces ${names} in a text.
func (e *evaluation) sub(argument any) (any, error) {
	text, more := argument, map[string]any{}
	if list, ok := argument.([]any); ok && len(list) == 2 {
		text = list[0]
		own, err := e.value(list[1])
		if err != nil {
			return nil, err
		}
		more, _ = own.(map[string]any)
	}
	words, err := parse.ParseSub(fmt.Sprint(text), false)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, w := range words {
		value := any(w.W)
		own, isOwn := more[w.W]
		switch {
		case w.T == parse.STR:
		case isOwn:
			value = own
		case w.T == parse.AWS:
			value, err = e.ref("AWS::" + strings.TrimPrefix(w.W, "AWS::"))
		case w.T == parse.GETATT:
			resource, attribute, _ := strings.Cut(w.W, ".")
			value, err = e.attribute(resource, attribute)
		default:
			value, err = e.ref(w.W)
		}
		if err != nil {
			return nil, fmt.Errorf("${%s}: %w", w.W, err)
		}
		fmt.Fprint(&out, value)
	}
	return out.String(), nil
}
