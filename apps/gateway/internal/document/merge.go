package document

import (
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
		"paths":   orderPaths(paths),
		"components": object{
			"schemas":         schemas,
			"headers":         sharedHeaders,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}, nil
}

func mergePaths(routes []route.Route, scale int, docs map[string]object) (object, error) {
	paths := object{}
	own, _ := docs[route.Gateway]["paths"].(object)
	for path := range own {
		if operation := find(docs[route.Gateway], path, "GET"); operation != nil {
			addProblems(operation)
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
	addProblems(operation)
	for status, response := range operation["responses"].(object) {
		if response, ok := response.(object); ok && status[0] != '5' {
			addHeaders(response, "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
		}
	}
}

// addHeaders adds some of the shared headers to a response.
func addHeaders(response object, names ...string) {
	headers, ok := response["headers"].(object)
	if !ok {
		headers = object{}
		response["headers"] = headers
	}
	for _, name := range names {
		headers[name] = object{"$ref": "#/components/headers/" + name}
	}
}

var sharedHeaders = object{
	"RateLimit-Limit":     integer("requests a minute"),
	"RateLimit-Remaining": integer("requests left"),
	"RateLimit-Reset":     integer("seconds until all requests are left again"),
	"Retry-After":         integer("seconds after which to retry"),
}

func integer(description string) object {
	return object{"description": description, "schema": object{"type": "integer"}}
}

// addProblems adds the problems of the edge, and Retry-After to the statuses that have it. A 503 with a body of its
// own, as of /health, has neither.
func addProblems(operation object) {
	responses, ok := operation["responses"].(object)
	if !ok {
		responses = object{}
		operation["responses"] = responses
	}
	for _, p := range edgeProblems {
		status := strconv.Itoa(p.kind.Status())
		response, ok := responses[status].(object)
		switch {
		case !ok:
			responses[status] = object{"description": http.StatusText(p.kind.Status()) + ": " + p.code, "content": object{
				fault.ContentType: object{"schema": object{"$ref": schemaRef + "Problem"}}}}
		case isProblem(response):
			if text, _ := response["description"].(string); !strings.Contains(text, p.code) {
				response["description"] = text + ", " + p.code
			}
		}
	}
	for _, kind := range []fault.Kind{fault.Locked, fault.Limited, fault.Unavailable} {
		if response, ok := responses[strconv.Itoa(kind.Status())].(object); ok && isProblem(response) {
			addHeaders(response, "Retry-After")
		}
	}
}

// isProblem reports whether the body of a response is a Problem.
func isProblem(response object) bool {
	content, _ := response["content"].(object)
	return content[fault.ContentType] != nil
}
