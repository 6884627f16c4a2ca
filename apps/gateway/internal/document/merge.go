package document

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

type object = map[string]any

//go:embed guide.md
var guide string

const schemaRef = "#/components/schemas/"

// merge is one document of the routes' operations, at their public paths, and of what the gateway serves without a
// route. It fails if two operations have one operationId, or two different schemas one name.
func merge(routes []route.Route, scale int, docs map[string]object) (object, error) {
	paths, err := mergePaths(routes, scale, docs)
	if err != nil {
		return nil, err
	}
	if err := uniqueIDs(paths); err != nil {
		return nil, err
	}
	schemas, err := mergeSchemas(docs)
	if err != nil {
		return nil, err
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Sidecart", "version": "1", "summary": "The public API of the shop", "description": guide,
			"contact": object{"name": "The Sidecart authors"},
			"license": object{"name": "MIT", "identifier": "MIT"},
		},
		"servers": []any{object{"url": "/"}},
		"tags":    shop.Tags,
		"paths":   orderedPaths(paths),
		"components": object{
			"schemas":         schemas,
			"headers":         limitHeaders,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}, nil
}

func mergePaths(routes []route.Route, scale int, docs map[string]object) (object, error) {
	paths := object{}
	own, _ := docs[route.Gateway]["paths"].(object)
	for path := range own {
		if operation := find(docs[route.Gateway], path, "GET"); operation != nil {
			addProblems(operation, edgeProblems)
			put(paths, path, "GET", operation)
		}
	}
	for _, r := range routes {
		path := r.Path()
		if r.Service != route.Gateway {
			path = route.ServicePath(path)
		}
		operation := find(docs[r.Service], path, r.Method())
		if operation == nil {
			continue
		}
		operation, err := viaJSON(operation) // a copy
		if err != nil {
			return nil, err
		}
		describeEdge(operation, r, scale)
		put(paths, r.Path(), r.Method(), operation)
	}
	return paths, nil
}

// orderedPaths is the paths in the order of a buyer's first requests: by their first operation's tag, then as in the
// table.
type orderedPaths object

// MarshalJSON writes the paths in order.
func (paths orderedPaths) MarshalJSON() ([]byte, error) {
	position := func(path string) (tag, row int) {
		for _, operation := range paths[path].(object) {
			names, _ := operation.(object)["tags"].([]any)
			tag = slices.IndexFunc(shop.Tags, func(t shop.Tag) bool { return slices.Contains(names, any(t.Name)) })
		}
		return tag, slices.IndexFunc(route.Table, func(r route.Route) bool { return r.Path() == path })
	}
	text := bytes.NewBufferString("{")
	for i, path := range slices.SortedFunc(maps.Keys(paths), func(a, b string) int {
		tagA, rowA := position(a)
		tagB, rowB := position(b)
		return cmp.Or(cmp.Compare(tagA, tagB), cmp.Compare(rowA, rowB), cmp.Compare(a, b))
	}) {
		operations, err := json.Marshal(paths[path])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(text, "%q:%s", path, operations)
	}
	text.WriteByte('}')
	return text.Bytes(), nil
}

func put(paths object, path, method string, operation object) {
	operations, ok := paths[path].(object)
	if !ok {
		operations = object{}
		paths[path] = operations
	}
	operations[strings.ToLower(method)] = operation
}

// find is an operation in a service's document, or nil.
func find(doc object, path, method string) object {
	paths, _ := doc["paths"].(object)
	operations, _ := paths[path].(object)
	operation, _ := operations[strings.ToLower(method)].(object)
	return operation
}

func uniqueIDs(paths object) error {
	seen := map[any]string{}
	for path, operations := range paths {
		for method, operation := range operations.(object) {
			id := operation.(object)["operationId"]
			if other, ok := seen[id]; ok {
				return fmt.Errorf("%s and %s %s have the operationId %v", other, method, path, id)
			}
			seen[id] = method + " " + path
		}
	}
	return nil
}

// mergeSchemas fails if services have different schemas of one name.
func mergeSchemas(docs map[string]object) (object, error) {
	all, from := object{}, map[string]string{}
	for _, service := range slices.Sorted(maps.Keys(docs)) {
		components, _ := docs[service]["components"].(object)
		schemas, _ := components["schemas"].(object)
		for name, schema := range schemas {
			if other, ok := all[name]; ok && !reflect.DeepEqual(other, schema) {
				return nil, fmt.Errorf("%s and %s have different schemas %s", from[name], service, name)
			}
			all[name], from[name] = schema, service
		}
	}
	all, err := viaJSON(all) // a copy
	if err != nil {
		return nil, err
	}
	return all, addDescriptions(all)
}

// descriptions are those of schemas ("") and their members, made of Go comments by `make generate`.
//
//go:embed descriptions.json
var descriptions []byte

func addDescriptions(schemas object) error {
	var texts map[string]map[string]string
	if err := json.Unmarshal(descriptions, &texts); err != nil {
		return err
	}
	for name, schema := range schemas {
		schema := schema.(object)
		text := texts[name][""]
		if text == "" && strings.HasSuffix(name, "Page") {
			text = texts["Page"][""]
		}
		if text != "" {
			schema["description"] = text
		}
		properties, _ := schema["properties"].(object)
		for member, property := range properties {
			if text := texts[name][member]; text != "" {
				property.(object)["description"] = text
			}
		}
	}
	return nil
}

// edgeProblems are the problems that the gateway can respond with on every path.
var edgeProblems = []problem{
	{fault.Malformed, "malformed"}, {fault.TooLarge, "headers_too_large"}, {fault.Misdirected, "misdirected"},
	{fault.Limited, "rate_limited"}, {fault.Unavailable, "service_unavailable"}, {fault.TimedOut, "timed_out"},
}

type problem struct {
	kind fault.Kind
	code string
}

// describeEdge adds what the gateway does to an operation: the limit, problems and deprecation.
func describeEdge(operation object, r route.Route, scale int) {
	per := "user"
	if r.Need == shop.Anyone {
		per = "address"
	}
	if d := r.Deprecated; d.IsSet() {
		operation["deprecated"] = true
		operation["x-deprecated-since"] = d.Since.Format(time.DateOnly)
		if !d.Sunset.IsZero() {
			operation["x-sunset"] = d.Sunset.Format(time.DateOnly)
		}
	}
	operation["x-rate-limit"] = fmt.Sprintf("%d a minute per %s", r.Limit.PerMinute*scale, per)
	addProblems(operation, edgeProblems)
	responses := operation["responses"].(object)
	for status, response := range responses {
		if response, ok := response.(object); ok && status[0] != '5' {
			headers, ok := response["headers"].(object)
			if !ok {
				headers = object{}
				response["headers"] = headers
			}
			for name := range limitHeaders {
				headers[name] = object{"$ref": "#/components/headers/" + name}
			}
		}
	}
}

var limitHeaders = object{
	"RateLimit-Limit":     object{"description": "requests a minute", "schema": object{"type": "integer"}},
	"RateLimit-Remaining": object{"description": "requests left", "schema": object{"type": "integer"}},
	"RateLimit-Reset":     object{"description": "seconds until all requests are left again", "schema": object{"type": "integer"}},
}

func addProblems(operation object, problems []problem) {
	responses, ok := operation["responses"].(object)
	if !ok {
		responses = object{}
		operation["responses"] = responses
	}
	for _, p := range problems {
		status := strconv.Itoa(p.kind.Status())
		response, ok := responses[status].(object)
		if !ok {
			responses[status] = object{"description": http.StatusText(p.kind.Status()) + ": " + p.code, "content": object{
				fault.ContentType: object{"schema": object{"$ref": schemaRef + "Problem"}}}}
			continue
		}
		if text, _ := response["description"].(string); !strings.Contains(text, p.code) {
			response["description"] = text + ", " + p.code
		}
	}
}
