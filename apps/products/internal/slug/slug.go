// Package slug makes the parts of URLs that identify products and categories from their names.
package slug

import (
	"strings"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"

	"sidecart/kit/shop"
)

// MaxLength is the length of the longest slug.
const MaxLength = 120

// Of returns a text as part of a URL: lower-case Latin letters and digits, words joined by single hyphens, at most 120
// bytes. Letters of other scripts are transliterated: Straße is strasse, Łódź is lodz, Москва is moskva. A text without
// letters and digits gives "item".
func Of(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(unidecode.Unidecode(norm.NFKC.String(text))) {
		switch {
		case r == '\'' || r == '`': // part of a word: O'Neill, and the soft signs of transliterations
		case (r < 'a' || r > 'z') && (r < '0' || r > '9'):
			gap = true
		default:
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "item"
	}
	return cut(b.String(), MaxLength)
}

// WithSuffix returns a slug with a suffix, both together at most 120 bytes.
func WithSuffix(base, suffix string) string { return cut(base, MaxLength-1-len(suffix)) + "-" + suffix }

// Unique returns a slug with a suffix that no other slug has.
func Unique(base string) string { return WithSuffix(base, shop.NewID().String()) }

func cut(slug string, length int) string {
	return strings.TrimRight(slug[:min(len(slug), length)], "-")
}
