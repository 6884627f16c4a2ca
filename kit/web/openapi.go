package web

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// OpenAPI is the document of the app's public routes, OpenAPI 3.1, made of the very types that decode, validate and
// answer. Its shape is plain maps, ready for JSON. It panics on a public route without a Doc; Serve calls it, so that such
// a program does not start.
func (app *App) OpenAPI() map[string]any {
	s := schemas{}
	paths := map[string]any{}
	for _, op := range app.routes {
		if op.internal {
			continue
		}
		if op.id == "" {
			panic(fmt.Sprintf("web: %s %s is public and has no Doc", op.method, op.path))
		}
		at, _ := paths[op.path].(map[string]any)
		if at == nil {
			at = map[string]any{}
			paths[op.path] = at
		}
		at[strings.ToLower(op.method)] = op.document(s)
	}
	s.of(reflect.TypeFor[fault.Problem]())
	return map[string]any{
		"openapi": "3.1.0",
		"info":    map[string]any{"title": "Sidecart " + app.name, "version": "1"},
		"paths":   paths,
		"components": map[string]any{
			"schemas":         map[string]any(s),
			"securitySchemes": map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}
}

func (op operation) document(s schemas) map[string]any {
	doc := map[string]any{
		"tags": []string{op.tag}, "operationId": op.id, "responses": op.responses(s),
		"summary": op.summary, "x-permission": string(op.need), "security": []any{},
	}
	if op.description != "" {
		doc["description"] = op.description
	}
	if params := op.parameters(s); len(params) > 0 {
		doc["parameters"] = params
	}
	if op.in.body {
		schema := s.of(op.in.typ)
		content := map[string]any{"application/json": map[string]any{"schema": schema}}
		if op.form {
			content["application/x-www-form-urlencoded"] = map[string]any{"schema": schema}
			content["multipart/form-data"] = map[string]any{"schema": schema}
		}
		doc["requestBody"] = map[string]any{"required": !op.optionalBody, "content": content}
	}
	if op.in.raw != nil {
		content := map[string]any{}
		for _, mediaType := range op.in.takes {
			content[mediaType] = map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}
		}
		doc["requestBody"] = map[string]any{"required": true, "content": content}
	}
	if op.need != shop.Anyone {
		doc["security"] = []any{map[string]any{"bearer": []string{}}}
	}
	return doc
}

// unasked are headers that come with every request: nobody fills them in.
var unasked = []string{fiber.HeaderXForwardedFor, fiber.HeaderUserAgent}

func (op operation) parameters(s schemas) []any {
	var params []any
	for _, p := range op.in.params {
		if slices.Contains(unasked, p.name) {
			continue
		}
		schema := maps.Clone(s.of(p.fieldTyp))
		refine(schema, p.validation)
		if p.fallback != "" {
			schema["default"] = p.fallback
			if n, err := strconv.Atoi(p.fallback); err == nil {
				schema["default"] = n
			}
		}
		params = append(params, map[string]any{"name": p.name, "in": p.in, "required": p.in == "path", "schema": schema})
	}
	if op.in.key != nil {
		params = append(params, map[string]any{
			"name": idempotency.Header, "in": "header", "required": false,
			"description": "Makes the call harmless to repeat: the same key with the same request is answered as the first time, for 24 hours.",
			"schema":      map[string]any{"type": "string", "minLength": 1, "maxLength": idempotency.MaxLength},
		})
	}
	return params
}

func (op operation) responses(s schemas) map[string]any {
	success := map[string]any{"description": "Success"}
	switch {
	case op.out == reflect.TypeFor[Content](), op.out == reflect.TypeFor[Stream]():
		content := map[string]any{}
		for _, mediaType := range op.answers {
			content[mediaType] = map[string]any{"schema": map[string]any{"type": "string", "format": "binary"}}
		}
		success["content"] = content
	case op.out != reflect.TypeFor[None]():
		success["content"] = map[string]any{"application/json": map[string]any{"schema": s.of(op.out)}}
	}
	all := map[string]any{strconv.Itoa(op.status): success}
	codes := map[int][]string{500: {fault.ErrInternal.Code}, 503: {fault.ErrUnavailable.Code}}
	add := func(f *fault.Error) { codes[f.Kind.Status()] = append(codes[f.Kind.Status()], f.Code) }
	if op.in.body {
		add(fault.ErrMalformed)
	}
	if op.in.raw != nil {
		add(errUnsupported)
		add(ErrTooLarge)
	}
	if op.out.Implements(reflect.TypeFor[ETagged]()) && op.method == "GET" {
		all["304"] = map[string]any{"description": "If-None-Match has its ETag"}
	}
	if op.in.body || len(op.in.params) > 0 {
		add(fault.ErrInvalid)
	}
	if op.in.key != nil {
		add(idempotency.ErrReused)
	}
	if op.need != shop.Anyone {
		add(errNoToken)
		if op.need != shop.SignedIn {
			add(errForbidden)
		}
	}
	for _, f := range op.faults {
		add(f)
	}
	for status, names := range codes {
		all[strconv.Itoa(status)] = map[string]any{
			"description": strings.Join(names, ", "),
			"content": map[string]any{fault.ContentType: map[string]any{
				"schema": map[string]any{"$ref": "#/components/schemas/Problem"}}},
		}
	}
	return all
}
