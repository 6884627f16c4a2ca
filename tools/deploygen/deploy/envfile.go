package deploy

import (
	"regexp"
	"slices"
	"strings"
)

// Optional are the settings of services but some, sorted by name.
func (p Platform) Optional(but ...string) (all []Setting) {
	for _, s := range p.settings {
		reads := func(a App) bool { return a.Reads(s.Name) }
		if slices.ContainsFunc(p.Apps, reads) && !slices.Contains(but, s.Name) {
			all = append(all, s)
		}
	}
	return all
}

var (
	link        = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	onOneLaptop = regexp.MustCompile(`; dapr/dapr\.yaml sets [^;]*`)
)

// Comment is what a setting means, as lines that begin with "#".
func (s Setting) Comment() string {
	text := onOneLaptop.ReplaceAllString(s.Meaning, "")
	if s.Default != "-" {
		text += " (default: " + s.Default + ")"
	}
	text = strings.ReplaceAll(link.ReplaceAllString(text, "$1"), "`", "")
	var out strings.Builder
	column := 120
	for word := range strings.FieldsSeq(text) {
		if column+1+len(word) > 120 {
			out.WriteString("\n#")
			column = 1
		}
		out.WriteString(" " + word)
		column += 1 + len(word)
	}
	return strings.TrimSpace(out.String())
}
