package product

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"sidecart/kit/fault"
)

// A search text is a sequence of terms, each of which a product must have. A term is one of:
//   - a word, which matches what begins with it and its stems
//   - a compound: parts of a chunk that belong together, because one has less than four letters or is a number (Wi-Fi,
//     WH-001-B, 3.5mm). It matches these parts, and the compound written together.
//   - a run of a script without spaces, which matches everywhere
//
// Two or three terms that are a word in a product (wi fi) match that, too.
type term struct {
	parts []string
	text  string // the parts written together
	run   bool
}

// part is a part of a chunk. Chunks are between spaces.
type part struct {
	Chunk int64
	Part  string
	Run   bool
}

const (
	maxTerms = 16 // bounds the cost of a search
	minWord  = 4  // letters of a word that is no part of a compound, and is corrected
)

var errTooManyWords = fault.ErrInvalid.With("q", fmt.Sprintf("must have at most %d different words", maxTerms))

// terms takes the parts of a text. It fails with errTooManyWords.
func terms(parts []part) (all []term, err error) {
	seen := map[string]bool{}
	for len(parts) > 0 {
		n := slices.IndexFunc(parts, func(p part) bool { return p.Chunk != parts[0].Chunk })
		if n < 0 {
			n = len(parts)
		}
		chunk := parts[:n]
		parts = parts[n:]
		size := 1
		if slices.ContainsFunc(chunk, func(p part) bool { return !p.Run && !isWord(p.Part) }) {
			size = n
		}
		for group := range slices.Chunk(chunk, size) {
			t := term{run: group[0].Run}
			for _, p := range group {
				t.parts = append(t.parts, p.Part)
			}
			t.text = strings.Join(t.parts, "")
			if key := strings.Join(t.parts, " "); !seen[key] {
				all, seen[key] = append(all, t), true
			}
		}
	}
	if len(all) > maxTerms {
		return nil, errTooManyWords
	}
	return all, nil
}

// isWord reports whether a part is a word by itself.
func isWord(part string) bool {
	return utf8.RuneCountInString(part) >= minWord && !strings.ContainsAny(part, "0123456789")
}

// compounds are ranges of two and three adjacent terms, written together, by the index of the first.
func compounds(all []term) [][]string {
	joined := make([][]string, len(all))
	for i, first := range all {
		text := first.text
		for j := i + 1; j < min(i+3, len(all)) && !all[j].run && !first.run; j++ {
			text += all[j].text
			joined[i] = append(joined[i], text)
		}
	}
	return joined
}

// lookup are the words of terms whose stems are needed. Those that are corrected come first.
func lookup(all []term) (corrected, exact []string) {
	for _, t := range all {
		if !t.run {
			corrected = append(append(corrected, t.parts...), t.text)
		}
	}
	for _, joined := range compounds(all) {
		exact = append(exact, joined...)
	}
	return corrected, exact
}

// word is a word with its stems in the languages of the products, and those of similar words if no product has it.
type word struct {
	Word     string
	Stems    []string
	StopWord bool // in one of the languages
}

// tsquery is empty without terms. Stop words are left out, unless no other term is left.
//
// Each word has exactly one prefix. Postgres adds up the expected rows of all alternatives: with several prefixes for a
// word it expects so many that it scans the table instead of an index.
func tsquery(all []term, words map[string]word) string {
	joined := compounds(all)
	var conditions, content []string
	for i, t := range all {
		alternatives := t.alternatives(words)
		for first := max(0, i-2); first <= i; first++ {
			for n, text := range joined[first] { // the terms from first to first + n + 1
				if w, ok := words[text]; ok && i <= first+n+1 {
					alternatives = append(alternatives, w.exact())
				}
			}
		}
		condition := "(" + strings.Join(alternatives, " | ") + ")"
		conditions = append(conditions, condition)
		if len(t.parts) > 1 || !words[t.text].StopWord {
			content = append(content, condition)
		}
	}
	if len(content) > 0 {
		conditions = content
	}
	return strings.Join(conditions, " & ")
}

func (t term) alternatives(words map[string]word) []string {
	switch {
	case t.run:
		return []string{pairs([]rune(t.text))}
	case len(t.parts) == 1:
		return []string{words[t.text].prefix()}
	}
	operator, apart := " & ", []string{}
	for i, p := range t.parts {
		if strings.ContainsAny(p, "0123456789") {
			operator = " <-> "
		}
		if i < len(t.parts)-1 || utf8.RuneCountInString(p) == 1 { // everything has words that begin with one letter
			apart = append(apart, words[p].exact())
		} else {
			apart = append(apart, words[p].prefix())
		}
	}
	return []string{"(" + strings.Join(apart, operator) + ")", words[t.text].prefix()}
}

// pairs is a run as adjacent pairs of characters. A single character is the beginning of a pair, or alone.
func pairs(run []rune) string {
	if len(run) == 1 {
		return quote(string(run)) + ":*"
	}
	var all []string
	for i := range len(run) - 1 {
		all = append(all, quote(string(run[i:i+2])))
	}
	return "(" + strings.Join(all, " <-> ") + ")"
}

// prefix matches what begins with the shortest stem of four letters or more ("photo" of "photos", but not "cha", the
// Spanish stem of "chair"), otherwise with the word itself, and the other stems.
func (w word) prefix() string {
	prefix := w.Word
	for _, stem := range w.Stems {
		if strings.HasPrefix(w.Word, stem) && utf8.RuneCountInString(stem) >= 4 && len(stem) < len(prefix) {
			prefix = stem
		}
	}
	alternatives := []string{quote(prefix) + ":*"}
	for _, stem := range w.Stems {
		if !strings.HasPrefix(stem, prefix) {
			alternatives = append(alternatives, quote(stem))
		}
	}
	return "(" + strings.Join(alternatives, " | ") + ")"
}

// exact matches the word and its stems.
func (w word) exact() string {
	alternatives := []string{quote(w.Word)}
	for _, stem := range w.Stems {
		if stem != w.Word {
			alternatives = append(alternatives, quote(stem))
		}
	}
	return "(" + strings.Join(alternatives, " | ") + ")"
}

// quote is a lexeme of a tsquery.
func quote(lexeme string) string {
	return "'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(lexeme) + "'"
}
