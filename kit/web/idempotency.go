package web

import (
	"bytes"
	"encoding/json"
	"mime"
	"reflect"
	"strings"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

var keyType = reflect.TypeFor[idempotency.Key]()

// readKey fills the idempotency key of an input that has one. What is wrong with it goes into bad.
func (plan *inputPlan) readKey(c *fiber.Ctx, who shop.Caller, in reflect.Value, bad fields) {
	given := c.Request().Header.PeekAll(idempotency.Header)
	switch {
	case len(given) == 0:
		return
	case len(given) > 1:
		bad.add(idempotency.Header, "must be there once")
		return
	case len(given[0]) == 0 || len(given[0]) > idempotency.MaxLength || bytes.ContainsFunc(given[0], unprintable):
		bad.add(idempotency.Header, "must be 1 to 255 printable ASCII characters")
		return
	}
	key := idempotency.New(string(given[0]), who.ID, plan.route, c.Request().URI().Path(), c.Request().URI().QueryString(), sameBody(c))
	in.FieldByIndex(plan.key).Set(reflect.ValueOf(key))
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

// sameBody is the body without what may differ between two that say the same: the order of members and the spaces of
// JSON, and the boundary between the parts of a form, which clients draw anew each time.
func sameBody(c *fiber.Ctx) []byte {
	body := c.Body()
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
