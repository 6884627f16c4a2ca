package document

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sidecart/apps/gateway/internal/route"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

type object = map[string]any

// merge is one document of the operations that the routes open, at their public paths.
func merge(routes []route.Route, scale int, docs map[string]object) object {
	names := schemaNames(docs)
	paths := object{}
	for _, r := range routes {
		operation := find(docs[r.By], r)
		if operation == nil {
			continue
		}
		operation = renamed(operation, names[r.By]).(object)
		dress(operation, r, scale)
		put(paths, r.Path(), r.Method(), operation)
	}
	addOwn(paths)
	return object{
		"openapi": "3.1.0",
		"info": object{"title": "Sidecart", "version": "1",
			"description": "Errors are application/problem+json (RFC 9457) with a stable code. Every answer has X-Request-Id."},
		"servers": []any{object{"url": "/"}},
		"tags":    shop.Tags,
		"paths":   paths,
		"components": object{
			"schemas":         schemas(docs, names),
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}
}

func put(paths object, path, method string, operation object) {
	at, ok := paths[path].(object)
	if !ok {
		at = object{}
		paths[path] = at
	}
	at[strings.ToLower(method)] = operation
}

// find is a route's operation in its service's document, or nil.
func find(doc object, r route.Route) object {
	paths, _ := doc["paths"].(object)
	path := route.ServicePath(r.Path())
	if r.By == route.Here {
		path = r.Path()
	}
	at, _ := paths[path].(object)
	operation, _ := at[strings.ToLower(r.Method())].(object)
	return operation
}

// dress adds to an operation what the gateway does: the limit, and the refusals that come of it.
func dress(operation object, r route.Route, scale int) {
	per := "user"
	if r.Need == shop.Anyone {
		per = "address"
	}
	if d := r.Deprecated; d.Is() {
		operation["deprecated"] = true
		operation["x-deprecated-since"] = d.Since.Format(time.DateOnly)
		if !d.Sunset.IsZero() {
			operation["x-sunset"] = d.Sunset.Format(time.DateOnly)
		}
	}
	operation["x-rate-limit"] = fmt.Sprintf("%d a minute per %s", r.Limit.PerMinute*scale, per)
	responses, _ := operation["responses"].(object)
	if responses == nil {
		responses = object{}
		operation["responses"] = responses
	}
	refuse(responses, fault.Limited, "rate_limited")
	refuse(responses, fault.Unavailable, "service_unavailable")
	refuse(responses, fault.TimedOut, "timed_out")
	if !r.Reads() {
		refuse(responses, fault.TooLarge, "body_too_large")
		refuse(responses, fault.Unsupported, "unsupported_media_type")
	}
	for status, response := range responses {
		if response, ok := response.(object); ok && status[0] != '5' {
			response["headers"] = limitHeaders
		}
	}
}

var limitHeaders = object{
	"RateLimit-Limit":     object{"description": "requests a minute", "schema": object{"type": "integer"}},
	"RateLimit-Remaining": object{"description": "that are left at this moment", "schema": object{"type": "integer"}},
	"RateLimit-Reset":     object{"description": "seconds until all are there again", "schema": object{"type": "integer"}},
}

func refuse(responses object, kind fault.Kind, code string) {
	status := strconv.Itoa(kind.Status())
	response, ok := responses[status].(object)
	if !ok {
		responses[status] = problem(code)
		return
	}
	if text, _ := response["description"].(string); !strings.Contains(text, code) {
		response["description"] = text + ", " + code
	}
}

func problem(description string) object {
	return object{"description": description, "content": object{
		fault.ContentType: object{"schema": object{"$ref": refPrefix + "Problem"}}}}
}

// addOwn adds the operations that the gateway serves without a route of the table.
func addOwn(paths object) {
	for path, doc := range map[string][3]string{
		"/health":       {"getHealth", "Check that the gateway is alive", ""},
		"/health/ready": {"getReadiness", "Check that the gateway is ready", ""},
		"/health/services": {"getServiceHealth", "Check the health of all services",
			"Each service with its sidecar, database and broker; an admin also sees latencies and errors."},
	} {
		answer := object{"content": object{"application/json": object{"schema": object{"type": "object"}}}}
		healthy, unhealthy := maps.Clone(answer), maps.Clone(answer)
		healthy["description"], unhealthy["description"] = "Healthy", "Not healthy"
		operation := object{
			"tags": []any{"health"}, "operationId": doc[0], "summary": doc[1], "security": []any{},
			"x-permission": string(shop.Anyone), "responses": object{"200": healthy, "503": unhealthy},
		}
		if doc[2] != "" {
			operation["description"] = doc[2]
		}
		put(paths, path, "GET", operation)
	}
}

// sortedServices makes every merge of the same documents the same document.
func sortedServices(docs map[string]object) []string { return slices.Sorted(maps.Keys(docs)) }
