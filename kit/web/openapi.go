package web

import (
	"fmt"
	"net/http"
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
// encode. It panics on what cannot be documented: a public route without Doc, two types with one schema name, a type
// whose JSON is unknown. Serve calls it, so such a program does not start.
func (app *App) OpenAPI() map[string]any {
	s, paths := newSchemas(), object{}
	public := slices.DeleteFunc(slices.Clone(app.routes), func(op *operation) bool { return op.internal })
	s.input = true
	for _, op := range public { // see schemas.input
		if t := op.bodyType(); t != nil {
			s.of(t)
		}
	}
	s.input = false
	for _, op := range public {
		if op.id == "" {
			panic(fmt.Sprintf("web: %s %s is public and has no Doc", op.method, op.path))
		}
		operations, ok := paths[op.path].(object)
		if !ok {
			operations = object{}
			paths[op.path] = operations
		}
		operations[strings.ToLower(op.method)] = op.document(s)
	}
	s.of(reflect.TypeFor[fault.Problem]())
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "Sidecart " + app.name, "version": "1"},
		"tags":    shop.Tags,
		"paths":   paths,
		"components": object{
			"schemas":         s.byName,
			"securitySchemes": object{"bearer": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
		},
	}
}

func (op operation) document(s *schemas) object {
	doc := object{
		"tags": []string{op.tag}, "operationId": op.id, "summary": op.summary, "responses": op.responses(s),
		"x-permission": string(op.need), "security": []any{},
	}
	if op.need != shop.Anyone {
		doc["security"] = []any{object{"bearer": []string{}}}
	}
	if op.description != "" {
		doc["description"] = op.description
	}
	if params := op.parameters(s); len(params) > 0 {
		doc["parameters"] = params
	}
	if body := op.requestBody(s); body != nil {
		doc["requestBody"] = body
	}
	return doc
}

func (op operation) requestBody(s *schemas) object {
	content := object{}
	switch {
	case op.in.body:
		media := object{"schema": s.of(op.bodyType())}
		if value := validExample(op.bodyType()); value != nil {
			media["example"] = value
		}
		content[fiber.MIMEApplicationJSON] = media
		if op.form {
			content[fiber.MIMEApplicationForm], content[fiber.MIMEMultipartForm] = media, media
		}
	case op.in.raw != nil:
		for _, mediaType := range op.in.takes {
			content[mediaType] = object{"schema": rawSchema(mediaType)}
		}
		if op.parts != nil {
			content[fiber.MIMEMultipartForm] = object{"schema": s.of(op.parts)}
		}
	default:
		return nil
	}
	return object{"required": !op.optionalBody, "content": content}
}

// bodyType is the type that describes the operation's body, or nil.
func (op operation) bodyType() reflect.Type {
	if op.in.body {
		return bodyType(op.in.typ)
	}
	return op.parts
}

// rawSchema describes a body or a response that is read or written as it is.
func rawSchema(mediaType string) object {
	switch {
	case mediaType == fiber.MIMEApplicationJSON:
		return object{"type": "object"}
	case strings.HasPrefix(mediaType, "image/"):
		return object{"type": "string", "format": "binary"}
	}
	return object{"type": "string"}
}

// automatic are headers that clients send without a decision of their developers; they are not documented.
var automatic = []string{fiber.HeaderXForwardedFor, fiber.HeaderUserAgent, fiber.HeaderAuthorization}

func (op operation) parameters(s *schemas) []any {
	var params []any
	for _, p := range op.in.params {
		if !slices.Contains(automatic, p.param) {
			params = append(params, p.document(s))
		}
	}
	if op.in.key != nil {
		params = append(params, object{
			"name": idempotency.Header, "in": "header", "required": false,
			"description": "Makes the request safe to retry: the same key and request get the first response again, for 24 hours.",
			"schema":      object{"type": "string", "minLength": 1, "maxLength": idempotency.MaxLength},
		})
	}
	return params
}

func (p param) document(s *schemas) object {
	rules, typ := p.Tag.Get("validate"), p.Type
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	schema := s.of(typ)
	constrain(schema, rules, false)
	doc := object{
		"name": p.param, "in": p.in, "required": p.in == "path" || strings.HasPrefix(rules, "required"), "schema": schema,
	}
	if p.fallback != "" {
		schema["default"] = exampleValue(typ, p.fallback)
	}
	if text := p.Tag.Get("doc"); text != "" {
		doc["description"] = text
	}
	switch {
	case p.in == "query" && p.mayBeEmpty():
		doc["allowEmptyValue"] = true
	case p.in == "query" && schema["type"] == "string" && schema["enum"] == nil && schema["format"] == nil && schema["minLength"] == nil:
		schema["minLength"] = 1
	}
	if value, ok := p.Tag.Lookup("example"); ok {
		doc["example"] = exampleValue(typ, value)
	}
	if prefix, many := strings.CutSuffix(p.param, ".*"); many {
		// All query parameters are properties of an exploded object. No rule for its names or their number fits them.
		doc["name"], doc["style"], doc["explode"] = prefix, "form", true
		delete(schema, "minProperties")
		delete(schema, "maxProperties")
	}
	return doc
}

func (op operation) responses(s *schemas) object {
	all := object{strconv.Itoa(op.status): op.success(s)}
	if headers := op.headers(); headers[fiber.HeaderETag] != nil && op.method == http.MethodGet {
		all["304"] = object{"description": "Not Modified: If-None-Match has the present ETag", "headers": headers}
	}
	for status, codes := range op.failures() {
		all[strconv.Itoa(status)] = object{
			"description": http.StatusText(status) + ": " + strings.Join(codes, ", "),
			"content":     object{fault.ContentType: object{"schema": s.of(reflect.TypeFor[fault.Problem]())}},
		}
	}
	if op.unhealthy {
		unhealthy := op.success(s)
		unhealthy["description"] = "Service Unavailable: the body says what is not healthy"
		all["503"] = unhealthy
	}
	return all
}

func (op operation) success(s *schemas) object {
	success, content := object{"description": http.StatusText(op.status)}, object{}
	switch {
	case op.out == reflect.TypeFor[None](), op.status == http.StatusSeeOther:
	case op.out == reflect.TypeFor[Content](), op.out == reflect.TypeFor[Stream]():
		for _, mediaType := range op.produces {
			content[mediaType] = object{"schema": rawSchema(mediaType)}
		}
	default:
		content[fiber.MIMEApplicationJSON] = object{"schema": s.of(op.out)}
	}
	if len(content) > 0 {
		success["content"] = content
	}
	if headers := op.headers(); len(headers) > 0 {
		success["headers"] = headers
	}
	return success
}

// headers are the documented ones of a successful response.
func (op operation) headers() object {
	headers, text := object{}, object{"type": "string"}
	if op.out.Implements(reflect.TypeFor[ETagged]()) && !op.noStore {
		headers[fiber.HeaderETag] = object{"description": "the state that is shown; for If-Match and If-None-Match", "schema": text}
	}
	if op.status == http.StatusSeeOther {
		headers[fiber.HeaderLocation] = object{"description": "where to go", "schema": text}
	}
	return headers
}

// failures are the codes of all problems that an operation responds with, by status.
func (op operation) failures() map[int][]string {
	faults := []*fault.Error{ // a body is refused, too, where none is read
		fault.ErrInternal, fault.ErrUnavailable, fault.ErrTimedOut, fault.ErrMalformed, errUnsupported, ErrTooLarge, fault.ErrInvalid,
	}
	if slices.ContainsFunc(op.in.params, func(p param) bool { return p.in == "path" }) {
		faults = append(faults, errNoRoute)
	}
	if op.in.key != nil {
		faults = append(faults, idempotency.ErrReused)
	}
	if slices.ContainsFunc(op.in.params, func(p param) bool { return p.Type == reflect.TypeFor[IfMatch]() }) {
		faults = append(faults, ErrPreconditionFailed)
	}
	if op.need != shop.Anyone {
		faults = append(faults, errNoToken)
	}
	if op.need != shop.Anyone && op.need != shop.SignedIn {
		faults = append(faults, errForbidden)
	}
	codes := map[int][]string{}
	if op.need != shop.Anyone {
		codes[http.StatusUnauthorized] = []string{"token_invalid", "token_expired", "session_ended"} // of kit/auth
	}
	for _, f := range append(faults, op.faults...) {
		if status := f.Kind.Status(); !slices.Contains(codes[status], f.Code) {
			codes[status] = append(codes[status], f.Code)
		}
	}
	return codes
}
