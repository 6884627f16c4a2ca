package document

import (
	"reflect"
	"strings"
)

const refPrefix = "#/components/schemas/"

func schemasOf(doc object) object {
	components, _ := doc["components"].(object)
	schemas, _ := components["schemas"].(object)
	return schemas
}

// schemaNames gives each service's schemas their names in the merged document: their own where all services that use a
// name mean the same by it, else with the service before it (OrdersItem).
func schemaNames(docs map[string]object) map[string]map[string]string {
	different := map[string]bool{}
	for {
		before := len(different)
		first := map[string]any{}
		for _, service := range sortedServices(docs) {
			for name, schema := range schemasOf(docs[service]) {
				if other, seen := first[name]; seen && !reflect.DeepEqual(other, schema) || refersTo(schema, different) {
					different[name] = true
				}
				first[name] = schema
			}
		}
		// A schema that refers to one that differs means something different in each service too, and so on.
		if len(different) == before {
			break
		}
	}
	names := map[string]map[string]string{}
	for service, doc := range docs {
		names[service] = map[string]string{}
		for name := range schemasOf(doc) {
			names[service][name] = name
			if different[name] {
				names[service][name] = strings.ToUpper(service[:1]) + service[1:] + name
			}
		}
	}
	return names
}

func refersTo(node any, names map[string]bool) bool {
	switch node := node.(type) {
	case object:
		for key, value := range node {
			if ref, ok := value.(string); ok && key == "$ref" && names[strings.TrimPrefix(ref, refPrefix)] {
				return true
			}
			if refersTo(value, names) {
				return true
			}
		}
	case []any:
		for _, value := range node {
			if refersTo(value, names) {
				return true
			}
		}
	}
	return false
}

// renamed is a deep copy of a piece of a service's document that refers to schemas by their names in the merged one.
func renamed(node any, names map[string]string) any {
	switch node := node.(type) {
	case object:
		out := make(object, len(node))
		for key, value := range node {
			if ref, ok := value.(string); ok && key == "$ref" {
				if name, known := names[strings.TrimPrefix(ref, refPrefix)]; known {
					value = refPrefix + name
				}
			}
			out[key] = renamed(value, names)
		}
		return out
	case []any:
		out := make([]any, len(node))
		for i, value := range node {
			out[i] = renamed(value, names)
		}
		return out
	default:
		return node
	}
}

func schemas(docs map[string]object, names map[string]map[string]string) object {
	all := object{}
	for _, service := range sortedServices(docs) {
		for name, schema := range schemasOf(docs[service]) {
			all[names[service][name]] = renamed(schema, names[service])
		}
	}
	return all
}
