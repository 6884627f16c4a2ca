// Package contract checks HTTP exchanges against an OpenAPI document, for tests.
package contract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	problems "github.com/pb33f/libopenapi-validator/errors"

	"sidecart/kit/web"
)

// ErrUndocumented is the error of an exchange with an operation that the document does not have.
var ErrUndocumented = errors.New("the document has no such operation")

// Contract is the API that a document describes. A type of the validator in it would be part of the compiled interface
// of each package that imports this one, with everything that it refers to: 50 MB, which take seconds to read.
type Contract struct{ compare comparison }

// comparison finds the differences between an exchange and a document. The request is compared if it was accepted. The
// operation may be missing in the document.
type comparison func(request *http.Request, response *http.Response, accepted bool) (differences []string, missing bool)

// New reads a document. It fails if the document does not follow the OpenAPI specification that it names.
func New(document []byte) (*Contract, error) {
	doc, err := libopenapi.NewDocument(document)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc, config.WithFormatAssertions(), config.WithRejectUndeclaredRequestBody(),
		config.WithBodyDecoder("application/x-www-form-urlencoded", content.FormDecoder()),
		config.WithBodyDecoder("application/x-ndjson", content.TextDecoder()),
		// Strict mode is for unknown query parameters: headers and cookies are free, schemas list their properties, and
		// attr.color is a property of the parameter attr, which strict mode does not see.
		config.WithStrictMode(), config.WithStrictIgnorePaths("$.headers.*", "$.cookies.*", "$.body.**", "$.query['attr.**']"))
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if ok, problems := v.ValidateDocument(); !ok {
		return nil, errors.New(strings.Join(texts(problems), "\n"))
	}
	return &Contract{comparisonBy(v)}, nil
}

func comparisonBy(v validator.Validator) comparison {
	return func(request *http.Request, response *http.Response, accepted bool) (differences []string, missing bool) {
		_, found := v.ValidateHttpResponse(request, response)
		if accepted {
			_, more := v.ValidateHttpRequestSync(request)
			found = append(found, more...)
		}
		return texts(found), slices.ContainsFunc(found, func(p *problems.ValidationError) bool {
			return p.IsPathMissingError() || p.IsOperationMissingError()
		})
	}
}

// Exchange is a request and its response, with their bodies.
type Exchange struct {
	Request      *http.Request
	RequestBody  []byte
	Response     *http.Response
	ResponseBody []byte // not checked where it is not JSON
}

// Check fails with each difference between an exchange and the document: an undocumented status, content type or
// property, a missing one, a wrong type or format. It checks a request only if it was accepted, with a status
// below 400, without tracking parameters. It fails with ErrUndocumented where the document has no such operation.
func (c *Contract) Check(e Exchange) error {
	request := e.Request.Clone(e.Request.Context())
	request.Body = io.NopCloser(bytes.NewReader(e.RequestBody))
	request.URL.RawQuery = withoutTracking(request.URL.RawQuery)
	response := *e.Response
	response.Body = io.NopCloser(bytes.NewReader(e.ResponseBody))
	differences, missing := c.compare(request, &response, e.Response.StatusCode < http.StatusBadRequest)
	if missing {
		return ErrUndocumented
	}
	if len(differences) == 0 {
		return nil
	}
	return fmt.Errorf("%s %s with the response %d differs from the document: %s",
		request.Method, request.URL.Path, response.StatusCode, strings.Join(differences, "\n"))
}

// withoutTracking is a query without the parameters that public reads ignore, which no operation documents.
func withoutTracking(query string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(query, "&"), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		return web.IsTracking(name)
	}), "&")
}

func texts(differences []*problems.ValidationError) (all []string) {
	for _, d := range differences {
		text := d.Message + ": " + d.Reason
		for _, s := range d.SchemaValidationErrors {
			text += "; " + s.FieldPath + " " + s.Reason
		}
		all = append(all, text)
	}
	return all
}
