package account

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// canonical is a name as names are compared: in the compatible form of its letters (NFKC) and without regard to case. Folding
// makes forms that NFKC joins, and the other way around; after a few rounds nothing changes any more.
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

// lookalikes are letters of other alphabets, and digits, that people read as Latin letters, after the confusables of
// Unicode's UTS 39, as far as a username may hold them. Capitals that look Latin count for their small letters, because
// usernames are the same in either case.
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

// skeleton is how a username looks: two names of one shape would be taken for one another. Capital I looks like l whatever
// it is the capital of, so both are i here.
func skeleton(username string) string {
	return strings.ReplaceAll(lookalikes.Replace(canonical(username)), "l", "i")
}

// mixableScripts are alphabets that one word may mix, because one language is written with them (UTS 39, highly restrictive).
var mixableScripts = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"}, {"Latin", "Han", "Bopomofo"}, {"Latin", "Han", "Hangul"},
}

// mixesScripts says whether a name has letters of alphabets that no language mixes, as an imitation has.
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

// scriptOf is empty for what all alphabets share.
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

// usernameProblem says what is wrong with a username that its letters alone do not show; it is empty for a good one.
func usernameProblem(username string) string {
	for _, r := range canonical(username) {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("._-", r) {
			return "has a letter that stands for several"
		}
	}
	if mixesScripts(canonical(username)) {
		return "mixes letters of several alphabets"
	}
	return ""
}
