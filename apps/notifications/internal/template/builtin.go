package template

import (
	"strings"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/shop"
)

// phrases are what a kind says in one language; the built-in templates of all channels are made of them.
type phrases struct {
	title      string
	short      string   // in the inbox, on a lock screen, in an SMS
	paragraphs []string // of an e-mail, after the greeting; nil is the short text
	button     string   // of an e-mail, where there is a link
}

// locale is a language.
type locale struct {
	greeting    string
	footer      string // at the foot of an e-mail
	unsubscribe string // the link that ends a kind
	phrases     map[string]phrases
	reasons     map[shop.Reason]string // none in English, in which events tell them
}

var locales = map[Language]locale{English: english, German: german, Spanish: spanish}

// builtIn is the template that needs no database. It fails with ErrNotFound.
func builtIn(name string, channel kind.Channel, language Language) (TemplateText, error) {
	d, known := locales[language]
	w, told := d.phrases[name]
	if !known || !told {
		return TemplateText{}, ErrNotFound
	}
	if channel == kind.SMS {
		return TemplateText{Body: w.title + ": " + w.short}, nil
	}
	if channel != kind.Email {
		return TemplateText{Title: w.title, Body: w.short}, nil
	}
	lines := w.paragraphs
	if lines == nil {
		lines = []string{w.short}
	}
	return TemplateText{Title: w.title, Body: d.text(lines, w.button), HTML: d.html(lines, w.button)}, nil
}

func (d locale) text(lines []string, button string) string {
	text := d.greeting + "\n\n" + strings.Join(lines, "\n\n") + "\n"
	if button != "" {
		text += "{{if .Link}}\n" + button + ":\n{{.Link}}\n{{end}}"
	}
	return text + "\n-- \n" + d.footer + "\n{{if .Unsubscribe}}" + d.unsubscribe + ": {{.Unsubscribe}}\n{{end}}"
}

func (d locale) html(lines []string, button string) string {
	text := "<p>" + d.greeting + "</p>\n"
	for _, line := range lines {
		text += "<p>" + line + "</p>\n"
	}
	if button != "" {
		text += `{{if .Link}}<p class="button"><a href="{{.Link}}">` + button + "</a></p>\n{{end}}"
	}
	return text
}
