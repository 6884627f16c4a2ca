package template

import (
	"strings"
	"testing"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func TestTemplates(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(db).Routes(app)
	alice, admin := kittest.NewCaller(shop.User), kittest.NewCaller(shop.Admin)
	const paid = "/notifications/templates/orders.paid/email"
	const update = `{"version":0,"title":"Thanks {{.Name}}","body":"Paid: {{.Number}}","html":"<p>Paid: {{.Number}}</p>"}`
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "no token", Do: "GET " + paid, Want: 401},
		{Name: "a user", As: alice, Do: "GET " + paid, Want: 403},
		{Name: "a user updates", As: alice, Do: "PUT " + paid, Body: update, Want: 403},
		{Name: "built in", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":0`, `"changed_by":null`, `Your order {{.Number}} is paid`}},
		{Name: "in Spanish", As: admin, Do: "GET " + paid + "?language=es", Want: 200, Has: []string{`Su pedido {{.Number}}`}},
		{Name: "unknown language", As: admin, Do: "GET " + paid + "?language=xx", Want: 422, Has: []string{`"language"`}},
		{Name: "preview in an unknown language", As: admin, Do: "POST " + paid + "/preview?language=xx", Body: `{}`, Want: 422, Has: []string{`"language"`}},
		{Name: "unknown kind", As: admin, Do: "GET /notifications/templates/orders.eaten/email", Want: 404, Has: []string{"template_not_found"}},
		{Name: "a channel that the kind does not have", As: admin, Do: "GET /notifications/templates/users.password_reset_requested/sms", Want: 404},
		{Name: "unknown variable", As: admin, Do: "PUT " + paid, Body: `{"version":0,"title":"a","body":"{{.Nom}}","html":"<p></p>"}`, Want: 422,
			Has: []string{"template_broken", `"body"`, "Nom"}},
		{Name: "a title that is empty for some notifications", As: admin, Do: "PUT /notifications/templates/orders.refunded/in_app",
			Body: `{"version":0,"title":"{{if .Partial}}A part of your money is back{{end}}","body":"{{.Total}}"}`, Want: 422,
			Has: []string{"template_broken", `"title"`, "without Partial"}},
		{Name: "a variable of another kind", As: admin, Do: "PUT " + paid, Body: `{"version":0,"title":"a","body":"{{.Tracking}}","html":"<p></p>"}`, Want: 422,
			Has: []string{"template_broken", `"body"`, ".Tracking: unknown variable, use one of Number, Total, Currency, Name"}},
		{Name: "the name in a kind that is sent to any address", As: admin, Do: "PUT /notifications/templates/users.verification_requested/email",
			Body: `{"version":0,"title":"Hello {{.Name}}","body":"b {{.Username}}","html":"<p></p>"}`, Want: 422,
			Has: []string{"template_broken", `"title":".Name: unknown variable`, `"body":".Username: unknown variable, use one of Link, Unsubscribe"`}},
		{Name: "in the preview, too", As: admin, Do: "POST /notifications/templates/users.password_reset_requested/email/preview?language=de",
			Body: `{"title":"a","body":"b","html":"<p>{{if .Username}}{{.Username}}{{end}}</p>"}`, Want: 422, Has: []string{"template_broken", `"html"`, "Username"}},
		{Name: "built in, without it", As: admin, Do: "GET /notifications/templates/users.verification_requested/email", Want: 200, HasNot: []string{"Name", "Username"}},
		{Name: "a title of nothing visible", As: admin, Do: "PUT " + paid, Body: `{"version":0,"title":"\u200b","body":"b","html":"<p></p>"}`, Want: 422, Has: []string{`"title"`}},
		{Name: "a body of nothing visible", As: admin, Do: "PUT " + paid, Body: `{"version":0,"title":"a","body":"\u2800\u3164","html":"<p></p>"}`, Want: 422, Has: []string{`"body":"must not be blank"`}},
		{Name: "a preview of nothing visible", As: admin, Do: "POST " + paid + "/preview", Body: `{"title":"a","body":"\u2060","html":"<p></p>"}`, Want: 422, Has: []string{`"body"`}},
		{Name: "update", As: admin, Do: "PUT " + paid, Body: update, Want: 200, Has: []string{`"version":1`, `"changed_by":"` + admin.ID.String()}},
		{Name: "concurrent update", As: admin, Do: "PUT " + paid, Body: update, Want: 409, Has: []string{"template_changed"}},
		{Name: "current version", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":1`, `Thanks {{.Name}}`}},
		{Name: "version 0", As: admin, Do: "GET " + paid + "?version=0", Want: 200, Has: []string{`"version":0`, `Your order {{.Number}} is paid`}},
		{Name: "version 1", As: admin, Do: "GET " + paid + "?version=1", Want: 200, Has: []string{`"version":1`, `Thanks {{.Name}}`}},
		{Name: "a version that does not exist", As: admin, Do: "GET " + paid + "?version=2", Want: 404, Has: []string{"template_not_found"}},
		{Name: "a version of an unknown kind", As: admin, Do: "GET /notifications/templates/orders.eaten/email?version=0", Want: 404},
		{Name: "an invalid version", As: admin, Do: "GET " + paid + "?version=-1", Want: 422, Has: []string{`"version"`}},
		{Name: "other languages are unchanged", As: admin, Do: "GET " + paid + "?language=de", Want: 200, Has: []string{`"version":0`}},
		{Name: "preview", As: admin, Do: "POST " + paid + "/preview", Body: `{}`, Want: 200,
			Has: []string{`Thanks Ada \u003cb\u003eExample`, "Paid: SC-2026-0001", `\u003ch1\u003eThanks Ada \u0026lt;b\u0026gt;`}},
		{Name: "preview of a text", As: admin, Do: "POST " + paid + "/preview", Body: `{"title":"x","body":"y","html":"<b>z</b>"}`, Want: 200,
			Has: []string{`"title":"x"`, `\u003cb\u003ez`}},
		{Name: "preview of a broken text", As: admin, Do: "POST " + paid + "/preview", Body: `{"title":"{{","body":"y","html":"z"}`, Want: 422, Has: []string{`"title"`}},
		{Name: "a preview stores nothing", As: admin, Do: "GET " + paid, Want: 200, Has: []string{`"version":1`}},
	})
}

// TestBrokenTemplateFallsBack stores templates that fail for some values, which validation would have refused: the
// built-in template in the user's language is rendered instead.
func TestBrokenTemplateFallsBack(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations)
	if _, err := db.Exec(t.Context(), `
		insert into templates (kind, channel, language, version, title, body, html, changed_by)
		select 'orders.shipped', channel, 'de', 1, 'Los',
			'{{if .Carrier}}{{if not .Tracking}}{{.Trackin}}{{end}}{{end}}{{if .Tracking}}Unterwegs: {{.Tracking}}{{end}}',
			case channel when 'email' then '<p>Los</p>' else '' end, gen_random_uuid()
		from unnest(array['in_app', 'email', 'push', 'sms']) as channel`); err != nil {
		t.Fatal(err)
	}
	for _, channel := range kind.Channels {
		renderer, at := NewRenderer(db), Selector{kind.Shipped, channel, German}
		first, _ := builtIn(at)
		for _, c := range []struct {
			variables Variables
			stored    bool
		}{
			{Variables{Number: "1", Carrier: "DHL", Tracking: "2"}, true},
			{Variables{Number: "1", Carrier: "DHL"}, false}, // an unknown variable
			{Variables{Number: "1"}, false},                 // an empty body
		} {
			got, err := renderer.Render(t.Context(), at, c.variables)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := Render(first, channel, German, c.variables)
			if stored := strings.HasPrefix(got.Body, "Unterwegs: 2"); stored != c.stored || !stored && got != want {
				t.Errorf("%s: %+v is rendered as %+v", channel, c.variables, got)
			}
		}
	}
}
