package account

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// canonical returns the form in which names are compared: NFKC, folded case. Each of the two can undo the other, so
// both repeat until nothing changes.
func canonical(name string) string {
	for range 8 {
		next := strings.TrimSpace(norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name))))
		if next == name {
			break
		}
		name = next
	}
	return name
}

// lookalikes replaces digits and letters of other alphabets that look like Latin letters: the confusables of Unicode's
// UTS 39, as far as usernames may contain them. Capital letters are folded before.
var lookalikes = strings.NewReplacer(lookalikePairs()...)

func lookalikePairs() (pairs []string) {
	for latin, others := range map[string]string{
		"a": "аαɑ", "b": "вьβƅ", "c": "сϲᴄ", "d": "ԁժ", "e": "еεҽ", "f": "ẝ", "g": "ɡց", "h": "нһհ", "i": "іιıɩӏ", "j": "јϳ", "k": "кκ",
		"l": "1ǀ", "m": "мμ", "n": "пηո", "o": "о0οօσ", "p": "рρ", "q": "ԛզ", "r": "гᴦ", "s": "ѕꜱ", "t": "тτ", "u": "υսᴜ", "v": "ѵνᴠ", "w": "ԝωшᴡ",
		"x": "хχ", "y": "уүγყ", "z": "ζᴢ", "3": "зʒ", "6": "б",
	} {
		for _, other := range others {
			pairs = append(pairs, string(other), latin)
		}
	}
	return pairs
}

// skeleton returns how a username looks (the skeleton of UTS 39): names with one skeleton look the same. A
// capital I looks like l, so both are i.
func skeleton(username string) string {
	return strings.ReplaceAll(lookalikes.Replace(canonical(username)), "l", "i")
}

// mixableScripts are alphabets that one language mixes in a word (UTS 39, highly restrictive).
var mixableScripts = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Bopomofo"}, {"Latin", "Han", "Hangul"},
}

// mixesScripts reports whether a name has letters of alphabets that no language mixes.
func mixesScripts(name string) bool {
	var found []string
	for _, r := range name {
		if script := scriptOf(r); script != "" && !slices.Contains(found, script) {
			found = append(found, script)
		}
	}
	if len(found) < 2 {
		return false
	}
	return !slices.ContainsFunc(mixableScripts, func(set []string) bool {
		return !slices.ContainsFunc(found, func(script string) bool { return !slices.Contains(set, script) })
	})
}

// scriptOf returns "" for characters that all alphabets share.
func scriptOf(r rune) string {
	if r < unicode.MaxASCII {
		if unicode.IsLetter(r) {
			return "Latin"
		}
		return ""
	}
	for name, table := range unicode.Scripts {
		if name != "Common" && name != "Inherited" && unicode.Is(table, r) {
			return name
		}
	}
	return ""
}

// usernameProblem returns why a username could imitate another one or looks like a link, or "".
func usernameProblem(username string) string {
	if strings.HasPrefix(canonical(username), "www.") {
		return "must not look like a link"
	}
	for _, r := range canonical(username) {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("._-", r) {
			return "has a letter that stands for several letters"
		}
	}
	if mixesScripts(canonical(username)) {
		return "mixes letters of several alphabets"
	}
	return ""
}
