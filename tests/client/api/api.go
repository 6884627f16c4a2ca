// Package api is a Go client of the public API, generated from docs/openapi.json: of the operations that the tests
// call.
package api

//go:generate env GOWORK=off go -C ../../../tools/oapi tool oapi-codegen -config ../../tests/client/api/oapi-codegen.yaml -o ../../tests/client/api/api.gen.go ../../docs/openapi.json
