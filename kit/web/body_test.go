package web_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

type parcel struct {
	Title   string                    `json:"title" validate:"omitempty,notblank,max=50"`
	Count   int32                     `json:"count"`
	Counts  []int                     `json:"counts"`
	Parent  web.Optional[int64]       `json:"parent"`
	Note    web.Optional[string]      `json:"note"`
	Price   *shop.Money               `json:"price" validate:"omitempty,price"`
	Labels  map[string]string         `json:"labels" validate:"dive,keys,required,max=9,endkeys,max=5"`
	Kinds   map[string]map[string]int `json:"kinds" validate:"dive,dive,max=9"`
	Free    json.RawMessage           `json:"free"`
	Any     any                       `json:"any"`
	Address *struct {
		Street string `json:"street" validate:"required"`
		City   string `json:"city" validate:"required"`
	} `json:"address" validate:"omitempty"`
	Sender struct {
		Name  string `json:"name" validate:"required"`
		Phone struct {
			Number string `json:"number" validate:"required"`
		} `json:"phone" validate:"required"`
	} `json:"sender" validate:"required"`
	Lines []basketLine `json:"lines" validate:"dive"`
}

func newParcels() *web.App {
	app := web.New("test", web.Config{Verify: kittest.Verify})
	show := func(_ context.Context, _ shop.Caller, in parcel) (map[string]any, error) {
		return map[string]any{"title": in.Title, "count": in.Count, "counts": in.Counts, "parent": in.Parent.Value, "note": in.Note.Value,
			"price": in.Price, "labels": in.Labels, "kinds": in.Kinds, "free": in.Free, "any": in.Any, "lines": in.Lines}, nil
	}
	web.Handle(app, "POST /parcels", shop.Anyone, show, web.Internal)
	nothing := func(context.Context, shop.Caller, web.None) (web.None, error) { return web.None{}, nil }
	for _, route := range []string{"POST /nothing", "GET /nothing", "DELETE /nothing"} {
		method, _, _ := strings.Cut(route, " ")
		web.Handle(app, route, shop.Anyone, nothing, web.Doc(strings.ToLower(method)+"Nothing", "cart", "Do nothing"))
	}
	app.Post("/public", func(c *fiber.Ctx) error {
		if err := web.CheckNoBody(c, 100); err != nil {
			return err
		}
		return c.SendStatus(204)
	})
	web.Handle(app, "POST /job", shop.Anyone, nothing, web.Internal)
	return app
}

// of is a valid parcel with one more member.
func of(member string) string {
	return `{"sender":{"name":"Ada","phone":{"number":"1"}},` + member + `}`
}

func TestJSONIsKeptAsSent(t *testing.T) {
	var rows []kittest.Call
	for member, kept := range map[string]string{
		`"count":2.0`: `"count":2`, `"count":2e0`: `"count":2`, `"count":-20e-1`: `"count":-2`, `"count":0e-99999`: `"count":0`,
		`"counts":[1.0,2E0]`: `"counts":[1,2]`, `"parent":7.0`: `"parent":7`, `"lines":[{"product_id":1.0,"quantity":1e1}]`: `"quantity":10`,
		`"price":1E+2`: `"price":100`, `"price":5.00`: `"price":5.00`, `"title":"a\ud83d\ude00b"`: `"title":"a😀b"`, `"title":"\\ud800"`: `"title":"\\ud800"`,
		`"title":"\ufffd"`: "\"title\":\"\ufffd\"", `"any":12345678901234567890.5`: `"any":12345678901234567890.5`, `"free":{"a":[1e300]}`: `"free":{"a":[1e300]}`,
		`"labels":{"a":""}`: `"labels":{"a":""}`, `"kinds":{"a":{"b":1.0}}`: `"kinds":{"a":{"b":1}}`,
	} {
		rows = append(rows, kittest.Call{Name: member, Do: "POST /parcels", Body: of(member), Want: 200, Has: []string{kept}})
	}
	kittest.Run(t, newParcels(), nil, rows)
}

func TestJSONIsRefused(t *testing.T) {
	rows := []kittest.Call{}
	for _, bytes := range []string{`"title":"Caf` + "\xe9\"", "\"Caf\xe9\":1", "\"labels\":{\"\xff\":\"\"}", "\"free\":\"\xc3\""} {
		rows = append(rows, kittest.Call{Name: "bytes", Do: "POST /parcels", Body: of(bytes), Want: 400, Has: []string{"not UTF-8"}})
	}
	const half, twice, nul, large = "must not contain half of a surrogate pair", "is given twice", "must not contain a NUL character", "is a number too large or with too many decimals"
	for _, row := range []struct{ member, field, message string }{
		{`"title":"a\ud800b"`, "title", half}, {`"title":"\udc00\ud800"`, "title", half}, {`"title":"\ud800\u0041"`, "title", half}, {`"title":"\uD83D"`, "title", half},
		{`"labels":{"a":"\ud800"}`, "labels.a", half}, {`"labels":{"a\ud800":""}`, "labels.a\ufffd", half}, {`"free":{"a":["\ud800"]}`, "free.a[0]", half},
		{`"any":{"\ud800":1}`, "any.\ufffd", half}, {`"note":"\ud800"`, "note", half}, {`"\ud800":1`, "\ufffd", half}, {`"kinds":{"a":{"\ud800":1}}`, "kinds.a.\ufffd", half},
		{`"labels":{"a":"1","a":"2"}`, "labels.a", twice}, {`"labels":{"a":"1","\u0061":"2"}`, "labels.a", twice}, {`"kinds":{"a":{"b":1,"b":2}}`, "kinds.a.b", twice},
		{`"kinds":{"a":{},"a":{}}`, "kinds.a", twice}, {`"free":{"a":{"b":1,"b":1}}`, "free.a.b", twice}, {`"any":[{"a":1,"a":1}]`, "any[0].a", twice},
		{`"title":"a\u0000"`, "title", nul}, {`"labels":{"a":"\u0000"}`, "labels.a", nul}, {`"labels":{"\u0000":""}`, `labels.\u0000`, nul}, {`"free":["\u0000"]`, "free[0]", nul},
		{`"free":1e-99999`, "free", large}, {`"free":{"a":[0e-99999]}`, "free.a[0]", large}, {`"any":1e999999999999`, "any", large}, {`"free":1e309`, "free", large},
		{`"price":1e-99999`, "price", "an amount is a number like 299.99"}, {`"price":1e999999999`, "price", "an amount is a number like 299.99"},
		{`"count":2.5`, "count", "must be a whole number"}, {`"count":1e400`, "count", "must be a whole number"}, {`"count":2147483648`, "count", "must be a whole number"},
		{`"count":1e999999999999`, "count", "must be a whole number"}, {`"count":"2"`, "count", "must be a whole number"}, {`"parent":1e-1`, "parent", "must be a whole number"},
		{`"parent":"x"`, "parent", "must be a whole number"}, {`"note":5`, "note", "must be a string"}, {`"counts":[null]`, "counts[0]", "must not be null"},
		{`"labels":{"a":null}`, "labels.a", "must not be null"}, {`"labels":{"a":1}`, "labels.a", "must be a string"}, {`"kinds":{"a":[]}`, "kinds.a", "must be an object"},
		{`"labels":{"Size.X[1]":"123456"}`, "labels.Size.X[1]", "must have at most 5 characters"}, {`"labels":{"":""}`, "labels.", "must not be empty or zero"},
		{`"kinds":{"a":{"b":10}}`, "kinds.a.b", "must be at most 9"}, {`"title":"\u200b"`, "title", "must not be blank"}, {`"title":"\u3164\u2800"`, "title", "must not be blank"},
		{`"lines":[{"product_id":1}]`, "lines[0].quantity", "is required"}, {`"lines":[null]`, "lines[0]", "must not be null"},
		{`"address":{}`, "address.street", "is required"}, {`"address":{"street":""}`, "address.street", "must not be empty or zero"},
	} {
		want, _ := json.Marshal(row.message)
		rows = append(rows, kittest.Call{Name: row.member, Do: "POST /parcels", Body: of(row.member), Want: 422, Has: []string{`"` + row.field + `":` + string(want)}})
	}
	kittest.Run(t, newParcels(), nil, append(rows,
		kittest.Call{Name: "an object that is left out", Do: "POST /parcels", Body: `{}`, Want: 422, Has: []string{
			`"sender":"is required"`, `"sender.name":"is required"`, `"sender.phone":"is required"`, `"sender.phone.number":"is required"`,
		}, HasNot: []string{"address"}},
		kittest.Call{Name: "an empty object", Do: "POST /parcels", Body: `{"sender":{"name":"","phone":{}}}`, Want: 422, Has: []string{
			`"sender.name":"must not be empty or zero"`, `"sender.phone.number":"is required"`,
		}, HasNot: []string{`"sender":`, `"sender.phone":`}},
		kittest.Call{Name: "no object", Do: "POST /parcels", Body: `{"sender":"x"}`, Want: 422, Has: []string{`{"sender":"must be an object"}`}},
	))
}

func TestBodiesThatNoOneReads(t *testing.T) {
	app := newParcels()
	form, noType := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, map[string]string{"Content-Type": ""}
	for _, do := range []string{"POST /nothing", "GET /nothing", "DELETE /nothing"} {
		kittest.Run(t, app, nil, []kittest.Call{
			{Name: "none", Do: do, Want: 204},
			{Name: "a field", Do: do, Body: `{"reason":"x"}`, Want: 422},
			{Name: "malformed", Do: do, Body: `{`, Want: 400},
			{Name: "no object", Do: do, Body: `[]`, Want: 422, Has: []string{`"body":"must be a JSON object"`}},
			{Name: "a form", Do: do, Body: `reason=x`, Header: form, Want: 422},
			{Name: "a form in parts", Do: do, Body: inParts("reason", "x"), Header: partsHeader, Want: 422},
			{Name: "a broken form", Do: do, Body: "reason", Header: partsHeader, Want: 400},
			{Name: "text", Do: do, Body: `x`, Header: map[string]string{"Content-Type": "text/plain"}, Want: 415},
			{Name: "malformed, without a type", Do: do, Body: `{`, Header: noType, Want: 400},
			{Name: "a field, without a type", Do: do, Body: `{"reason":"x"}`, Header: noType, Want: 422, Has: []string{`"reason"`}},
		})
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "is named", Do: "POST /nothing", Body: `{"reason":"x"}`, Want: 422, Has: []string{`"reason":"is not a known field"`}},
		{Name: "a form's is named", Do: "POST /nothing", Body: `reason=x`, Header: form, Want: 422, Has: []string{`"reason":"is not a known field"`}},
		{Name: "a job's", Do: "POST /job", Body: `{"value":"x"}`, Want: 204},
		{Name: "an empty object", Do: "POST /public", Body: ` {} `, Want: 204},
		{Name: "an empty object, without a type", Do: "POST /public", Body: `{}`, Header: noType, Want: 204},
		{Name: "a field", Do: "POST /public", Body: `{"a":1}`, Want: 422},
		{Name: "health", Do: "GET /health", Body: `{"a":1}`, Want: 422},
	})
}

func TestEncodedBodies(t *testing.T) {
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	kittest.Run(t, newApp(""), nil, []kittest.Call{
		{Name: "utf-8", Do: "POST /baskets/7", Body: valid, Header: header("Content-Type", "application/json; charset=UTF-8"), Want: 201},
		{Name: "another charset", Do: "POST /baskets/7", Body: valid, Header: header("Content-Type", "application/json; charset=iso-8859-1"), Want: 415},
		{Name: "gzip", Do: "POST /baskets/7", Body: valid, Header: header("Content-Encoding", "gzip"), Want: 415},
		{Name: "identity", Do: "POST /baskets/7", Body: valid, Header: header("Content-Encoding", "identity"), Want: 201},
	})
}

func TestForms(t *testing.T) {
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	kittest.Run(t, newApp(""), nil, []kittest.Call{
		{Name: "escapes", Do: "POST /sign-in", Body: "name=Caf%C3%A9+1", Header: form, Want: 200, Has: []string{`"Café 1"`}},
		{Name: "twice", Do: "POST /sign-in", Body: "name=a&name=b", Header: form, Want: 422, Has: []string{`"name":"is given twice"`}},
		{Name: "not UTF-8", Do: "POST /sign-in", Body: "name=Caf%E9", Header: form, Want: 400},
		{Name: "bytes that are not UTF-8", Do: "POST /sign-in", Body: "name=Caf\xe9", Header: form, Want: 400},
		{Name: "a name that is not UTF-8", Do: "POST /sign-in", Body: "name=a&%E9=b", Header: form, Want: 400},
		{Name: "NUL", Do: "POST /sign-in", Body: "name=a%00", Header: form, Want: 422, Has: []string{`"name"`}},
		{Name: "parts: twice", Do: "POST /sign-in", Body: twoParts("name", "name", "--"), Header: partsHeader, Want: 422, Has: []string{`"name":"is given twice"`}},
		{Name: "parts: not UTF-8", Do: "POST /sign-in", Body: inParts("name", "Caf\xe9"), Header: partsHeader, Want: 400},
		{Name: "parts: without a name", Do: "POST /sign-in", Body: twoParts("name", "", "--"), Header: partsHeader, Want: 400},
		{Name: "parts: cut off", Do: "POST /sign-in", Body: twoParts("name", "x", ""), Header: partsHeader, Want: 400},
		{Name: "another charset", Do: "POST /sign-in", Body: "name=a", Want: 415,
			Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=windows-1252"}},
	})
}

func twoParts(first, second, end string) string {
	return "--parts\r\nContent-Disposition: form-data; name=\"" + first + "\"\r\n\r\na\r\n" +
		"--parts\r\nContent-Disposition: form-data; name=\"" + second + "\"\r\n\r\nb\r\n--parts" + end + "\r\n"
}
