package template

import (
	"errors"
	"html"
	"reflect"
	"strings"
	"testing"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// TestBuiltIn renders every kind on each of its channels in every language, with each combination of variables.
func TestBuiltIn(t *testing.T) {
	for _, k := range append(kind.All, kindOf(t, kind.Digest)) {
		for _, channel := range k.Channels {
			for _, language := range Languages {
				at := k.Name + " " + string(channel) + " " + string(language)
				text, err := builtIn(Selector{k.Name, channel, language})
				if err != nil {
					t.Errorf("%s: %v", at, err)
					continue
				}
				if err := validate(text, Selector{k.Name, channel, language}); err != nil {
					t.Errorf("%s: %v", at, err)
				}
				filled, err := Render(text, channel, language, Sample)
				if err != nil || filled.Body == "" || strings.Contains(filled.Title+filled.Body+filled.HTML, "{{") {
					t.Errorf("%s: %v %+v", at, err, filled)
				}
				if channel == kind.Email && !strings.Contains(filled.HTML, `<html lang="`+string(language)+`">`) {
					t.Errorf("%s: the page has another language", at)
				}
			}
		}
	}
}

// TestReasons translates the platform's reasons, but not a reason that a user wrote.
func TestReasons(t *testing.T) {
	for code, english := range shop.Reasons {
		languages := map[string]Language{}
		for _, language := range Languages {
			text, err := builtIn(Selector{kind.Cancelled, kind.Email, language})
			if err != nil {
				t.Fatal(err)
			}
			filled, err := Render(text, kind.Email, language, Variables{Number: "1", Reason: english, ReasonCode: code})
			if err != nil {
				t.Fatal(err)
			}
			if has := strings.Contains(filled.Body, english); has != (language == English) {
				t.Errorf("%s in %s: %s", code, language, filled.Body)
			}
			if other, again := languages[filled.Body]; again {
				t.Errorf("%s has the same text in %s and %s", code, language, other)
			}
			languages[filled.Body] = language
			for _, unknown := range []shop.Reason{"", "of_a_later_version"} {
				filled, err = Render(text, kind.Email, language, Variables{Number: "1", Reason: "<b>no</b> longer", ReasonCode: unknown})
				if err != nil || !strings.Contains(filled.Body, ": <b>no</b> longer.") || !strings.Contains(filled.HTML, ": &lt;b&gt;no&lt;/b&gt; longer.") {
					t.Errorf("%q in %s: %v %+v", unknown, language, err, filled)
				}
			}
		}
	}
}

func TestVariablesStayText(t *testing.T) {
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.Secret}}{{end}}`, `</p></body>`, "a&amp;b", "\u202Egnp.exe",
	} {
		text, _ := builtIn(Selector{kind.Placed, kind.Email, English})
		filled, err := Render(text, kind.Email, English, Variables{Name: name, Number: "1", Goods: name, Link: "https://shop.example.com/x"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(filled.Body, name) {
			t.Errorf("%q was changed in plain text", name)
		}
		if strings.ContainsAny(name, `<>`) && strings.Contains(filled.HTML, name) || !strings.Contains(html.UnescapeString(filled.HTML), name) {
			t.Errorf("%q is markup or missing: %s", name, filled.HTML)
		}
	}
	text, _ := builtIn(Selector{kind.Placed, kind.Email, English})
	filled, _ := Render(text, kind.Email, English, Variables{Number: "1", Link: "javascript:alert(1)"})
	if strings.Contains(filled.HTML, "javascript:") {
		t.Error("a link has a javascript: URL")
	}
	if filled, _ = Render(TemplateText{Title: "a{{.Name}}", Body: "b", HTML: "c"}, kind.Email, English, Variables{Name: "x\r\nBcc: all@example.com"}); filled.Title != "ax Bcc: all@example.com" {
		t.Errorf("the title is not a single line: %q", filled.Title)
	}
}

// TestUnsubscribeLink checks that both parts of an e-mail have the link once, whatever the template has.
func TestUnsubscribeLink(t *testing.T) {
	text, _ := builtIn(Selector{kind.StockBack, kind.Email, German})
	for name, text := range map[string]TemplateText{"built in": text, "an admin's": {Title: "a", Body: "b\n", HTML: "<p>c</p>"}} {
		filled, err := Render(text, kind.Email, German, Variables{Product: "x", Unsubscribe: "https://shop.example.com/unsubscribe?token=x"})
		if err != nil || strings.Count(filled.Body, "unsubscribe?token=x") != 1 || strings.Count(filled.HTML, "unsubscribe?token=x") != 1 {
			t.Errorf("%s: %v %q %s", name, err, filled.Body, filled.HTML)
		}
		if filled, _ = Render(text, kind.Email, German, Variables{Product: "x"}); strings.Contains(filled.Body+filled.HTML, "unsubscribe") {
			t.Errorf("%s: %q %s", name, filled.Body, filled.HTML)
		}
	}
}

func TestBrokenTemplates(t *testing.T) {
	for _, c := range []struct {
		name  string
		text  TemplateText
		field string
	}{
		{"not closed", TemplateText{Title: "a", Body: "{{.Name", HTML: "c"}, "body"},
		{"unknown variable", TemplateText{Title: "a", Body: "b", HTML: "{{.Password}}"}, "html"},
		{"unknown variable in a branch", TemplateText{Title: "a", Body: "{{if not .Name}}{{.Nothing}}{{end}}", HTML: "c"}, "body"},
		{"a loop", TemplateText{Title: "a", Body: "{{range 1000000000}}x{{end}}", HTML: "c"}, "body"},
		{"a function", TemplateText{Title: `{{printf "%999999d" 1}}`, Body: "b", HTML: "c"}, "title"},
		{"a nested template", TemplateText{Title: "a", Body: `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, HTML: "c"}, "body"},
		{"a definition", TemplateText{Title: "a", Body: `b{{define "x"}}{{end}}`, HTML: "c"}, "body"},
		{"a variable inside a script", TemplateText{Title: "a", Body: "b", HTML: `{{if .Name}}<script>{{end}}{{.Name}}`}, "html"},
		{"no title", TemplateText{Body: "b", HTML: "c"}, "title"},
		{"no body", TemplateText{Title: "a", HTML: "c"}, "body"},
		{"no html", TemplateText{Title: "a", Body: "b"}, "html"},
	} {
		err := validate(c.text, Selector{kind.Paid, kind.Email, English})
		if !errors.Is(err, ErrBroken) || fault.Of(err).Fields[c.field] == "" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestOptionalVariables: a template is valid only if it renders for each notification of its kind.
func TestOptionalVariables(t *testing.T) {
	for _, c := range []struct {
		kind, text string
		valid      bool
	}{
		{kind.Refunded, "{{if .Partial}}A part of your money is back{{end}}", false},
		{kind.Refunded, "{{if .Partial}}A part of your money is back{{else}}Your money is back{{end}}", true},
		{kind.Refunded, "{{if not .Partial}}Your money is back{{end}}", false},
		{kind.Refunded, "{{.Total}}", true}, // always set
		{kind.Refunded, "{{.Name}}", false}, // optional
		{kind.Broadcast, "{{.Title}}", true},
		{kind.Shipped, "{{if .Carrier}}With {{.Carrier}}{{else if not .Tracking}}On its way{{end}}", false},
		{kind.Shipped, "On its way{{if .Carrier}}{{if not .Tracking}}{{.Trackin}}{{end}}{{end}}", false},
		{kind.Shipped, "On its way{{if .Carrier}}{{if not .Tracking}}{{eq .Carrier 1}}{{end}}{{end}}", false},
		{kind.Shipped, "On its way{{if and .Carrier (not .Carrier)}}{{.Trackin}}{{end}}", false}, // a branch that is never reached
		{kind.Shipped, "On its way{{if .Product}}{{end}}", false},
		{kind.Shipped, "On its way{{with .Carrier}} with {{.}}{{with $.Tracking}} as {{.}}{{end}}{{else}}, {{.Number}}{{end}}", true},
		{kind.Shipped, "On its way{{with .Carrier}}{{.Tracking}}{{end}}", false},
		{kind.Shipped, "On its way{{with .Carrier}}{{$.Trackin}}{{end}}", false},
		{kind.Shipped, "On its way{{with .}}{{.Number}}{{end}}{{with $}}{{.Number}}{{end}}", true},
		{kind.Shipped, "On its way{{$c := .Carrier}}{{if $c}} with {{$c}}{{end}}", true},
		{kind.Shipped, "On its way{{$c := .Carrier}}{{$c.Name}}", false},
		{kind.Shipped, "On its way{{(.Carrier).Name}}", false},
		{kind.Shipped, "On its way{{.Carrier.Name}}", false},
		{kind.Shipped, `On its way{{$ = .Carrier}}`, false},
		{kind.Cancelled, `{{if eq .ReasonCode "out_of_stock"}}Nothing is left{{else}}Not sent{{end}}`, true},
	} {
		for field, text := range map[string]TemplateText{"title": {Title: c.text, Body: "b"}, "body": {Title: "a", Body: c.text}} {
			if err := validate(text, Selector{c.kind, kind.InApp, English}); (err == nil) != c.valid || !c.valid && fault.Of(err).Fields[field] == "" {
				t.Errorf("%s of %s, %s: %v %v", field, c.kind, c.text, err, fault.Of(err))
			}
		}
		if strings.HasPrefix(c.text, "On") {
			text := TemplateText{Title: "a", Body: "b", HTML: c.text}
			if err := validate(text, Selector{c.kind, kind.Email, English}); (err == nil) != c.valid || !c.valid && fault.Of(err).Fields["html"] == "" {
				t.Errorf("html of %s, %s: %v", c.kind, c.text, err)
			}
		}
	}
}

// TestEveryKindHasVariables checks the names of the variables of every kind, and their samples.
func TestEveryKindHasVariables(t *testing.T) {
	for _, k := range append(kind.All, kindOf(t, kind.Digest)) {
		if _, ok := variablesOf[k.Name]; !ok {
			t.Errorf("%s has no entry in variablesOf", k.Name)
		}
		required, optional := VariablesOf(k.Name)
		for _, name := range append(required, optional...) {
			if f := reflect.ValueOf(Sample).FieldByName(name); !f.IsValid() || f.IsZero() {
				t.Errorf("%s has %s, for which there is no sample", k.Name, name)
			}
		}
	}
}

func kindOf(t *testing.T, name string) kind.Kind {
	t.Helper()
	k, err := kind.Of(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
