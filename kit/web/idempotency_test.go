package web

import (
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

func TestSameBody(t *testing.T) {
	app := fiber.New()
	body := func(contentType, text string) string {
		c := app.AcquireCtx(&fasthttp.RequestCtx{})
		defer app.ReleaseCtx(c)
		c.Request().Header.SetContentType(contentType)
		c.Request().SetBodyString(text)
		return string(canonicalBody(c))
	}
	part := func(boundary, text string) string {
		return body("multipart/form-data; boundary="+boundary, "--"+boundary+"\r\n\r\n"+text+"\r\n--"+boundary+"--\r\n")
	}
	if body("application/json", `{"a":1, "b":[1.10,"x"]}`) != body("application/json; charset=utf-8", ` { "b":[1.10,"x"],"a":1}`) {
		t.Error("the order of members makes another body")
	}
	if body("application/json", `{"a":12345678901234567890}`) == body("application/json", `{"a":12345678901234567891}`) {
		t.Error("two large numbers are one")
	}
	if part("one", "text") != part("another", "text") || part("one", "text") == part("one", "other") {
		t.Error("a form is not known by its parts")
	}
	if body("application/json", `{"a":`) != `{"a":` || body("text/csv", "a, b") != "a, b" {
		t.Error("what cannot be read is not compared as it is")
	}
}
