package template

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"text/template/parse"
	"unicode"

	"sidecart/apps/notifications/internal/kind"
)

// The longest that a filled template may be, in bytes.
const maxLength = 256 << 10

// Render puts facts into a template of one channel and language. Titles are one line; HTML is a whole page in which facts
// are text, whatever is in them. A mail that can be ended says how, in its text and on its page. It fails with ErrBroken, naming the
// field that cannot be used, or says nothing, and why.
func Render(t TemplateText, channel kind.Channel, language Language, facts Variables) (TemplateText, error) {
	if words := locales[language].reasons[facts.ReasonCode]; words != "" {
		facts.Reason = words
	}
	var filled TemplateText
	var err error
	if channel != kind.SMS {
		if filled.Title, err = renderText("title", t.Title, facts); err != nil {
			return TemplateText{}, err
		}
		if filled.Title = singleLine(filled.Title); filled.Title == "" {
			return TemplateText{}, ErrBroken.With("title", "is empty")
		}
	}
	if filled.Body, err = renderText("body", t.Body, facts); err != nil {
		return TemplateText{}, err
	}
	if strings.TrimSpace(filled.Body) == "" {
		return TemplateText{}, ErrBroken.With("body", "is empty")
	}
	if channel != kind.Email {
		filled.Body = singleLine(filled.Body)
		return filled, nil
	}
	if facts.Unsubscribe != "" && !strings.Contains(filled.Body, facts.Unsubscribe) { // the page below has it in any case
		filled.Body += "\n-- \n" + locales[language].unsubscribe + ": " + facts.Unsubscribe + "\n"
	}
	filled.HTML, err = renderHTML(t.HTML, language, filled.Title, facts)
	return filled, err
}

func renderText(field, text string, facts Variables) (string, error) {
	t, err := texts.of(text)
	if err != nil {
		return "", ErrBroken.With(field, err.Error())
	}
	var out limitedBuilder
	if err := t.Execute(&out, facts); err != nil {
		return "", ErrBroken.With(field, err.Error())
	}
	return out.String(), nil
}

// renderHTML trusts the template, which is an admin's, and none of the facts: html/template escapes them for the place they
// stand in.
func renderHTML(text string, language Language, title string, facts Variables) (string, error) {
	inner, err := pages.of(text)
	if err != nil {
		return "", ErrBroken.With("html", err.Error())
	}
	var body, out limitedBuilder
	var data any = facts
	if len(facts.news) > 0 {
		var list limitedBuilder
		if err := digestList.Execute(&list, facts.news); err != nil {
			return "", ErrBroken.With("html", err.Error())
		}
		data = struct {
			Variables
			Text template.HTML
		}{facts, template.HTML(list.String())} //nolint:gosec // made by html/template
	}
	if err := inner.Execute(&body, data); err != nil {
		return "", ErrBroken.With("html", err.Error())
	}
	d := locales[language]
	err = page.Execute(&out, map[string]any{
		"Language": language, "Title": title, "Why": d.footer, "End": d.unsubscribe, "Unsubscribe": facts.Unsubscribe, "Pixel": facts.Pixel,
		"Body": template.HTML(body.String()), //nolint:gosec // made by html/template above
	})
	if err != nil { // it is too long
		return "", ErrBroken.With("html", err.Error())
	}
	return out.String(), nil
}

// allowedFunctions are the functions that a template may use.
var allowedFunctions = []string{"and", "or", "not", "eq", "ne"}

var errUnsupported = errors.New("only facts, if, with and the functions " + strings.Join(allowedFunctions, ", ") + " may be used")

// checkNodes refuses what could run long or grow large: loops, templates in templates, other functions.
func checkNodes(n parse.Node) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, child := range n.Nodes {
			if err := checkNodes(child); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return checkNodes(n.Pipe)
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			for _, argument := range c.Args {
				if err := checkNodes(argument); err != nil {
					return err
				}
			}
		}
	case *parse.IfNode:
		return errors.Join(checkNodes(n.Pipe), checkNodes(n.List), checkNodes(n.ElseList))
	case *parse.WithNode:
		return errors.Join(checkNodes(n.Pipe), checkNodes(n.List), checkNodes(n.ElseList))
	case *parse.IdentifierNode:
		if !slices.Contains(allowedFunctions, n.Ident) {
			return fmt.Errorf("%s: %w", n.Ident, errUnsupported)
		}
	case *parse.RangeNode, *parse.TemplateNode:
		return errUnsupported
	}
	return nil
}

// limitedBuilder is a text that does not grow past longest.
type limitedBuilder struct{ strings.Builder }

func (l *limitedBuilder) Write(text []byte) (int, error) {
	if l.Len()+len(text) > maxLength {
		return 0, io.ErrShortWrite
	}
	return l.Builder.Write(text)
}

// singleLine is a text on one line, without blanks at its ends.
func singleLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
	}), " ")
}

// digestList is what a digest gathers, fit to stand within a paragraph as the text that it is elsewhere.
var digestList = template.Must(template.New("news").Parse(`{{range $n, $_ := .}}{{if $n}}<br><br>
{{end}}{{if .Link}}<a href="{{.Link}}">{{.Title}}</a>{{else}}<b>{{.Title}}</b>{{end}}<br>
{{.Body}}{{end}}`))

// page is what stands around the text of every mail. Mail programs read few styles and no scripts: a table, and styles in
// the head that the text is readable without.
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="{{.Language}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{{.Title}}</title>
<style>
body { margin: 0; padding: 0; background: #eef1f4; color: #1d2733; font-family: -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
p { margin: 0 0 16px; line-height: 1.5; font-size: 16px; overflow-wrap: anywhere; }
a { color: #0b5cad; }
p.button a { display: inline-block; padding: 12px 22px; border-radius: 6px; background: #0b5cad; color: #ffffff; text-decoration: none; font-weight: 600; }
h1 { margin: 0 0 20px; font-size: 21px; line-height: 1.3; overflow-wrap: anywhere; }
.foot p { color: #5b6773; font-size: 13px; margin: 0 0 6px; }
</style>
</head>
<body>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#eef1f4">
<tr><td align="center" style="padding:28px 12px">
<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="max-width:560px;width:100%">
<tr><td style="padding:0 4px 14px;font-weight:700;font-size:18px;color:#0b5cad">Sidecart</td></tr>
<tr><td style="background:#ffffff;border-radius:8px;padding:28px 28px 14px">
<h1>{{.Title}}</h1>
{{.Body}}</td></tr>
<tr><td class="foot" style="padding:18px 8px">
<p>{{.Why}}</p>
{{if .Unsubscribe}}<p><a href="{{.Unsubscribe}}">{{.End}}</a></p>{{end}}
{{if .Pixel}}<img src="{{.Pixel}}" width="1" height="1" alt="">{{end}}</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`))
