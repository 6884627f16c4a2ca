package template

import (
	"testing"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(db).Routes(app)
	alice, admin := kittest.Somebody(shop.User), kittest.Somebody(shop.Admin)
	const paid = "/notifications/templates/orders.paid/email"
	const mine = `{"version":0,"title":"Thanks {{.Name}}","body":"Paid: {{.Number}}","html":"<p>Paid: {{.Number}}</p>"}`
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "nobody", Do: "GET " + paid, Want: 401},
		{Name: "a buyer", As: alice, Do: "GET " + paid, Want: 403},
		{Name: "a buyer changes", As: alice, Do: "PUT " + paid, Body: mine, Want: 403},
		{Name: "built in", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":0`, `"changed_by":null`, `Your order {{.Number}} is paid`}},
		{Name: "in Spanish", As: admin, Do: "GET " + paid + "?language=es", Want: 200, Has: []string{`Su pedido {{.Number}}`}},
		{Name: "in a language nobody speaks", As: admin, Do: "GET " + paid + "?language=xx", Want: 422, Has: []string{`"language"`}},
		{Name: "no such kind", As: admin, Do: "GET /notifications/templates/orders.eaten/email", Want: 404, Has: []string{"template_not_found"}},
		{Name: "not on that channel", As: admin, Do: "GET /notifications/templates/users.password_reset_requested/sms", Want: 404},
		{Name: "broken", As: admin, Do: "PUT " + paid, Body: `{"version":0,"title":"a","body":"{{.Nom}}","html":"<p></p>"}`, Want: 422,
			Has: []string{"template_broken", `"body"`, "Nom"}},
		{Name: "changed", As: admin, Do: "PUT " + paid, Body: mine, Want: 200, Has: []string{`"version":1`, `"changed_by":"` + admin.ID.String()}},
		{Name: "changed meanwhile", As: admin, Do: "PUT " + paid, Body: mine, Want: 409, Has: []string{"template_changed"}},
		{Name: "is used", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":1`, `Thanks {{.Name}}`}},
		{Name: "other languages stay", As: admin, Do: "GET " + paid + "?language=de", Want: 200, Has: []string{`"version":0`}},
		{Name: "preview", As: admin, Do: "POST " + paid + "/preview", Body: `{}`, Want: 200,
			Has: []string{`Thanks Ada \u003cb\u003eExample`, "Paid: SC-2026-0001", `\u003ch1\u003eThanks Ada \u0026lt;b\u0026gt;`}},
		{Name: "preview of what is not kept", As: admin, Do: "POST " + paid + "/preview", Body: `{"title":"x","body":"y","html":"<b>z</b>"}`, Want: 200,
			Has: []string{`"title":"x"`, `\u003cb\u003ez`}},
		{Name: "preview of what is broken", As: admin, Do: "POST " + paid + "/preview", Body: `{"title":"{{","body":"y","html":"z"}`, Want: 422, Has: []string{`"title"`}},
		{Name: "and it was not kept", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":1`}},
	})
}
