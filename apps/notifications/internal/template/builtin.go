package template

import (
	"bytes"
	"embed"
	"encoding/json"
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

// phrases are the texts of a kind in one language; the built-in templates of all channels are made of them.
type phrases struct {
	Title      string
	Short      string   // in the inbox, in a push message and in an SMS
	Paragraphs []string // of an e-mail, after the greeting; the default is Short
	Button     string   // of an e-mail, shown if there is a link
}

// locale has the texts of a language.
type locale struct {
	Greeting    string
	GreetingAny string // of a kind that is sent to any address
	Footer      string // of an e-mail
	Unsubscribe string // the text of the link to unsubscribe from a kind
	Phrases     map[string]phrases
	Reasons     map[shop.Reason]string // none in English: events have the English reason
}

//go:embed locales/*.json
var localeFiles embed.FS

var locales = readLocales()

// readLocales panics if a file of the binary is invalid.
func readLocales() map[Language]locale {
	all := map[Language]locale{}
	for _, language := range Languages {
		text, err := localeFiles.ReadFile("locales/" + string(language) + ".json")
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		var l locale
		if err == nil {
			err = decoder.Decode(&l)
		}
		if err != nil {
			panic(err)
		}
		all[language] = l
	}
	return all
}

// builtIn is the text of a template without a database. It fails with ErrNotFound.
func builtIn(at Selector) (TemplateText, error) {
	l, known := locales[at.Language]
	p, ok := l.Phrases[at.Kind]
	switch {
	case !known || !ok:
		return TemplateText{}, ErrNotFound
	case at.Channel == kind.SMS:
		return TemplateText{Body: p.Title + ": " + p.Short}, nil
	case at.Channel != kind.Email:
		return TemplateText{Title: p.Title, Body: p.Short}, nil
	}
	paragraphs := p.Paragraphs
	if paragraphs == nil {
		paragraphs = []string{p.Short}
	}
	if k, err := kind.Of(at.Kind); err == nil && k.ToAnyAddress {
		l.Greeting = l.GreetingAny
	}
	return TemplateText{Title: p.Title, Body: l.text(paragraphs, p.Button), HTML: l.html(paragraphs, p.Button)}, nil
}

func (l locale) text(paragraphs []string, button string) string {
	text := l.Greeting + "\n\n" + strings.Join(paragraphs, "\n\n") + "\n"
	if button != "" {
		text += "{{if .Link}}\n" + button + ":\n{{.Link}}\n{{end}}"
	}
	return text + "\n-- \n" + l.Footer + "\n{{if .Unsubscribe}}" + l.Unsubscribe + ": {{.Unsubscribe}}\n{{end}}"
}

func (l locale) html(paragraphs []string, button string) string {
	html := "<p>" + l.Greeting + "</p>\n<p>" + strings.Join(paragraphs, "</p>\n<p>") + "</p>\n"
	if button != "" {
		html += `{{if .Link}}<p class="button"><a href="{{.Link}}">` + button + "</a></p>\n{{end}}"
	}
	return html
}
