package web

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

// linkParts are what mail programs turn into a link wherever it is: a scheme, www., an e-mail address, an IPv4 address.
var linkParts = regexp.MustCompile(`(?i)://|(?:^|[^\pL\pN])(?:https?|ftp|mailto|tel|sms|javascript|data):|` +
	`(?:^|[^\pL\pN])www\.[\pL\pN]|[^\s@]@[\pL\pN-]+\.[\pL\pN]|(?:^|[^\d.])\d{1,3}(?:\.\d{1,3}){3}(?:$|[^\d.])`)

// dottedWord is a word with points inside, and what follows it without a space: the path, query or port of a link.
var dottedWord = regexp.MustCompile(`[\pL\pN][\pL\pN\pM_-]*(?:\.[\pL\pN][\pL\pN\pM_-]*)+(?:[/:?#][^\s]?)?`)

// hasLink reports whether a name has what mail programs turn into a link. A word with points inside is a domain name if
// a path follows it, or if it has two or more letters before the last point and ends in small letters or in a top-level
// domain. So names with initials or without a space after a point are none: J.R.R., D.va, Al.Pacino, Ng.
func hasLink(name string) bool {
	name = plainForm(name)
	return linkParts.MatchString(name) || slices.ContainsFunc(dottedWord.FindAllString(name, -1), isDomain)
}

// plainForm replaces compatible forms of letters and points, and removes invisible characters: what reads as a link may
// become one.
func plainForm(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case r == '。' || r == '．' || r == '｡' || r == '․':
			return '.'
		}
		return r
	}, norm.NFKC.String(text))
}

func isDomain(word string) bool {
	host := strings.TrimRight(word, "/:?#")
	if at := strings.IndexAny(word, "/:?#"); at >= 0 {
		host = word[:at]
	}
	hasPath := len(host)+1 < len(word)
	labels := strings.Split(host, ".")
	end, before := labels[len(labels)-1], labels[len(labels)-2]
	if utf8.RuneCountInString(end) < 2 || strings.ContainsFunc(end, unicode.IsNumber) {
		return false // no top-level domain
	}
	if hasPath {
		return true
	}
	ascii, _ := idna.ToASCII(strings.ToLower(end))
	_, known := publicsuffix.PublicSuffix(ascii)
	first, _ := utf8.DecodeRuneInString(end)
	return utf8.RuneCountInString(before) > 1 && (known || unicode.IsLower(first))
}
