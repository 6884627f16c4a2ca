package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"reflect"
	"regexp"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

var keyType = reflect.TypeFor[idempotency.Key]()

// readKey sets the idempotency key of an input. An invalid header goes into bad.
func (plan *inputPlan) readKey(c *fiber.Ctx, caller shop.Caller, in reflect.Value, bad fields) {
	headers := c.Request().Header.PeekAll(idempotency.Header)
	switch {
	case len(headers) == 0:
	case len(headers) > 1:
		bad.add(idempotency.Header, "must be given once")
	case !printable.Match(headers[0]):
		bad.add(idempotency.Header, fmt.Sprintf("must be 1 to %d printable ASCII characters", idempotency.MaxLength))
	default:
		uri := c.Request().URI()
		key := idempotency.New(string(headers[0]), caller.ID, plan.route, uri.Path(), uri.QueryString(), canonicalBody(c))
		in.FieldByIndex(plan.key).Set(reflect.ValueOf(key))
	}
}

var printable = regexp.MustCompile(fmt.Sprintf(`^[ -~]{1,%d}$`, idempotency.MaxLength))

// canonicalBody is the body without what may differ in a retry: the order of JSON members, white space, and the
// boundary of a multipart form, which clients choose at random.
func canonicalBody(c *fiber.Ctx) []byte {
	body := c.Request().Body()
	media, params, _ := mime.ParseMediaType(c.Get(fiber.HeaderContentType))
	switch {
	case media == fiber.MIMEApplicationJSON:
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		var value any
		if dec.Decode(&value) != nil {
			return body
		}
		if text, err := json.Marshal(value); err == nil {
			return text
		}
	case strings.HasPrefix(media, "multipart/") && params["boundary"] != "":
		return bytes.ReplaceAll(body, []byte(params["boundary"]), nil)
	}
	return body
}
