// Package schema makes JSON schemas for kubeconform from what the pinned modules of Kubernetes, Dapr and the Prometheus
// operator publish. They refuse fields that do not exist.
package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Kind is a kind of resource.
type Kind struct{ Version, Name string } // "apps/v1", "Deployment"

// File is the name of its schema, as kubeconform expects it: deployment-apps-v1.json.
func (k Kind) File() string {
	group, version, grouped := strings.Cut(k.Version, "/")
	if !grouped {
		return strings.ToLower(k.Name) + "-" + group + ".json"
	}
	group, _, _ = strings.Cut(group, ".")
	return strings.ToLower(k.Name) + "-" + group + "-" + version + ".json"
}

// definitionsFile has what several kinds share, such as the specification of pods.
const definitionsFile = "definitions.json"

type object = map[string]any

// FromSwagger makes the schemas of kinds from Kubernetes' own description of its API.
func FromSwagger(swagger []byte, kinds []Kind) (map[string][]byte, error) {
	var document struct{ Definitions map[string]object }
	if err := json.Unmarshal(swagger, &document); err != nil {
		return nil, err
	}
	names := map[Kind]string{}
	for name, definition := range document.Definitions {
		for _, kind := range kindsOf(definition) {
			names[kind] = name
		}
	}
	files, needed := map[string][]byte{}, map[string]any{}
	for _, kind := range kinds {
		name := names[kind]
		if name == "" {
			return nil, fmt.Errorf("Kubernetes has no %s %s", kind.Version, kind.Name)
		}
		collect(document.Definitions, name, needed)
		files[kind.File()] = encode(object{"$ref": definitionsFile + "#/definitions/" + name})
	}
	files[definitionsFile] = encode(object{"definitions": needed})
	return files, nil
}

// kindsOf are the kinds whose definition this is.
func kindsOf(definition object) (all []Kind) {
	list, _ := definition["x-kubernetes-group-version-kind"].([]any)
	for _, item := range list {
		gvk, _ := item.(object)
		version, _ := gvk["version"].(string)
		if group, _ := gvk["group"].(string); group != "" {
			version = group + "/" + version
		}
		kind, _ := gvk["kind"].(string)
		all = append(all, Kind{version, kind})
	}
	return all
}

// collect copies a definition and those that it refers to.
func collect(definitions map[string]object, name string, needed map[string]any) {
	if _, done := needed[name]; done {
		return
	}
	needed[name] = nil // it may refer to itself
	needed[name] = strict(name, definitions[name], func(ref string) {
		collect(definitions, strings.TrimPrefix(ref, "#/definitions/"), needed)
	})
}

// quantity is written as a number, too.
const quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"

// strict returns a schema without descriptions that allows no other properties than those it names.
func strict(name string, schema object, refer func(ref string)) object {
	if name == quantity {
		return object{"type": []any{"string", "number"}}
	}
	out := object{}
	for key, value := range schema {
		switch key {
		case "description", "externalDocs", "default": // of no use here
		case "$ref":
			refer(value.(string))
			out[key] = value
		case "properties":
			properties := object{}
			for property, of := range value.(object) {
				properties[property] = strict("", of.(object), refer)
			}
			out[key] = properties
		case "items", "additionalProperties":
			if of, ok := value.(object); ok {
				value = strict("", of, refer)
			}
			out[key] = value
		default: // "allOf" and its like refer to nothing
			if !strings.HasPrefix(key, "x-kubernetes-") {
				out[key] = value
			}
		}
	}
	return closed(schema, out)
}

// closed applies Kubernetes' extensions: values that are a number or a text, and objects that may have any property.
func closed(schema, out object) object {
	if schema["format"] == "int-or-string" || schema["x-kubernetes-int-or-string"] == true {
		delete(out, "format")
		delete(out, "anyOf")
		out["type"] = []any{"string", "integer"}
	}
	_, named := out["properties"]
	_, others := out["additionalProperties"]
	if named && !others && schema["x-kubernetes-preserve-unknown-fields"] != true {
		out["additionalProperties"] = false
	}
	return out
}

// FromCRD makes the schemas of a custom resource definition, for each of its versions.
func FromCRD(text []byte) (map[string][]byte, error) {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					Schema object `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, version := range crd.Spec.Versions {
		s := strict("", version.Schema.Schema, func(string) {})
		if properties, ok := s["properties"].(object); ok {
			properties["metadata"] = object{"type": "object"} // of every resource; kustomize would have refused others
			properties["apiVersion"], properties["kind"] = object{"type": "string"}, object{"type": "string"}
		}
		files[Kind{crd.Spec.Group + "/" + version.Name, crd.Spec.Names.Kind}.File()] = encode(s)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no version in the definition of %s", crd.Spec.Names.Kind)
	}
	return files, nil
}

// encode writes a schema with a line for each definition, so that a change of one shows.
func encode(v object) []byte {
	definitions, ok := v["definitions"].(object)
	if !ok {
		text, _ := json.Marshal(v) // of JSON and YAML values
		return append(text, '\n')
	}
	var out strings.Builder
	out.WriteString("{\"definitions\": {\n")
	for i, name := range slices.Sorted(maps.Keys(definitions)) {
		if i > 0 {
			out.WriteString(",\n")
		}
		text, _ := json.Marshal(definitions[name])
		fmt.Fprintf(&out, "%q: %s", name, text)
	}
	out.WriteString("\n}}\n")
	return []byte(out.String())
}
