package template

import (
	"strings"
	"testing"

	"sidecart/apps/notifications/internal/kind"
)

// FuzzRender: a template that is accepted can be rendered with every value of its variables, whose markup and template
// syntax stay text.
func FuzzRender(f *testing.F) {
	for _, seed := range []string{
		"Your order {{.Number}} is on its way.", "{{", "}}", "{{.}}", "{{.Nothing}}", "{{if .Name}}a{{else}}b{{end}}", "{{with .Name}}{{.}}{{$.Number}}{{end}}", "{{range .Goods}}{{end}}",
		`{{define "a"}}{{template "a" .}}{{end}}{{template "a" .}}`, `{{printf "%1000000000d" 1}}`, `{{block "b" .}}x{{end}}`, "{{`x`}}", `{{$x := .Number}}{{$x}}`, "{{/* x */}}", "{{break}}",
		`<a href="{{.Link}}">x</a>`, "<script>{{.Number}}</script>", "<a href='javascript:{{.Link}}'>", "<a {{.Number}}>", "<!-- {{.Number}} -->", "<b title={{.Number}}", "<style>{{.Name}}",
		strings.Repeat("{{if .Number}}", 500) + strings.Repeat("{{end}}", 500), "\x00", "\xff", "\u202e{{.Number}}", "<textarea>{{.Name}}</textarea>", "{{and .Name (or .Number (not .Carrier))}}",
	} {
		f.Add("title", seed, "<p>{{.Number}}</p>")
		f.Add(seed, "body", seed)
	}
	at := Selector{Kind: kind.Shipped, Channel: kind.Email, Language: English}
	const name, number = `<img src=x onerror=fuzz()>"'{{.Link}}`, `</script><script>fuzz()</script>`
	f.Fuzz(func(t *testing.T, title, body, html string) {
		if len(title) > 500 || len(body) > 5_000 || len(html) > 5_000 || strings.Contains(html, "fuzz") {
			t.Skip("longer than accepted, or with the text that is looked for")
		}
		text := TemplateText{Title: title, Body: body, HTML: html}
		if validate(text, at) != nil {
			return
		}
		v := Variables{}
		required, optional := VariablesOf(at.Kind)
		for _, variable := range append(required, optional...) {
			v.setSample(variable)
		}
		v.Name, v.Number, v.Carrier = name, number, name
		out, err := Render(text, at.Channel, at.Language, v)
		if err != nil {
			t.Fatalf("accepted, and not rendered: %v", err)
		}
		if len(out.Body) > maxLength+1000 || strings.ContainsAny(out.Title, "\r\n") {
			t.Fatalf("%d bytes with the title %q", len(out.Body), out.Title)
		}
		if strings.Contains(out.HTML, "<img src=x onerror=fuzz") || strings.Contains(out.HTML, "<script>fuzz") {
			t.Fatalf("markup of a variable is in the page: %s", out.HTML)
		}
	})
}
