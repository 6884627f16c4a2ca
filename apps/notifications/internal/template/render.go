package template

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"unicode"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

// maxLength of a rendered text, in bytes.
const maxLength = 256 << 10

// Render renders a text. Titles are one line; HTML is a whole page, in which variables are escaped. If Unsubscribe is
// set, both parts of an e-mail have that link. It fails with ErrBroken, naming the field that is invalid or empty, and
// why.
func Render(t TemplateText, channel kind.Channel, language Language, v Variables) (TemplateText, error) {
	if reason := locales[language].Reasons[v.ReasonCode]; reason != "" {
		v.Reason = reason
	}
	var out TemplateText
	var err error
	if channel != kind.SMS {
		if out.Title, err = renderText("title", t.Title, v); err != nil {
			return TemplateText{}, err
		}
		if out.Title = singleLine(out.Title); shop.IsBlank(out.Title) {
			return TemplateText{}, ErrBroken.With("title", "is empty")
		}
	}
	if out.Body, err = renderText("body", t.Body, v); err != nil {
		return TemplateText{}, err
	}
	if shop.IsBlank(out.Body) {
		return TemplateText{}, ErrBroken.With("body", "is empty")
	}
	if channel != kind.Email {
		out.Body = singleLine(out.Body)
		return out, nil
	}
	if v.Unsubscribe != "" && !strings.Contains(out.Body, v.Unsubscribe) { // the page always has it
		out.Body += "\n-- \n" + locales[language].Unsubscribe + ": " + v.Unsubscribe + "\n"
	}
	out.HTML, err = renderHTML(t.HTML, language, out.Title, v)
	return out, err
}

func renderText(field, text string, v Variables) (string, error) {
	t, err := texts.get(text)
	if err != nil {
		return "", ErrBroken.With(field, err.Error())
	}
	return execute(field, t, v)
}

// executor is a template of text/template or html/template.
type executor interface {
	Execute(w io.Writer, data any) error
}

// execute fails with ErrBroken.
func execute(field string, t executor, data any) (string, error) {
	var out limitedBuilder
	if err := t.Execute(&out, data); err != nil {
		return "", ErrBroken.With(field, err.Error())
	}
	return out.String(), nil
}

// renderHTML trusts the template, which is an admin's, but no variable: html/template escapes them for their context.
func renderHTML(text string, language Language, title string, v Variables) (string, error) {
	t, err := pages.get(text)
	if err != nil {
		return "", ErrBroken.With("html", err.Error())
	}
	var data any = v
	if len(v.items) > 0 {
		list, err := execute("html", digestList, v.items)
		if err != nil {
			return "", err
		}
		data = struct {
			Variables
			Text template.HTML
		}{v, template.HTML(list)} //nolint:gosec // made by html/template
	}
	body, err := execute("html", t, data)
	if err != nil {
		return "", err
	}
	return execute("html", page, map[string]any{
		"Language": language, "Title": title, "Footer": locales[language].Footer,
		"UnsubscribeText": locales[language].Unsubscribe, "Unsubscribe": v.Unsubscribe, "Pixel": v.Pixel,
		"Body": template.HTML(body), //nolint:gosec // made by html/template
	})
}

// limitedBuilder is a strings.Builder with at most maxLength bytes.
type limitedBuilder struct{ strings.Builder }

func (l *limitedBuilder) Write(text []byte) (int, error) {
	if l.Len()+len(text) > maxLength {
		return 0, io.ErrShortWrite
	}
	return l.Builder.Write(text)
}

func singleLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), " ")
}

// digestList renders the items of a digest inside the paragraph that has the variable Text.
var digestList = template.Must(template.New("digest").Parse(`{{range $n, $_ := .}}{{if $n}}<br><br>
{{end}}{{if .Link}}<a href="{{.Link}}">{{.Title}}</a>{{else}}<b>{{.Title}}</b>{{end}}<br>
{{.Body}}{{end}}`))

// pageHTML surrounds the HTML of every e-mail. Mail programs support few styles and no scripts: it uses a table, and
// styles in the head without which the text is still readable.
//
//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))
