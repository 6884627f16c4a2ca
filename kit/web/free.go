package web

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"sidecart/kit/shop"
)

// checkFree adds to bad what cannot be stored as it was sent, in JSON of any form.
func checkFree(raw json.RawMessage, path string, bad fields) {
	switch raw[0] {
	case '{':
		for name, value := range members(raw, path, bad) {
			checkFree(value, join(path, name), bad)
		}
	case '[':
		for i, value := range elements(raw) {
			checkFree(value, path+"["+strconv.Itoa(i)+"]", bad)
		}
	case '"':
		if message := textProblem(raw); message != "" {
			bad.add(path, message)
		}
	case 't', 'f', 'n':
	default:
		if number, ok := shop.ParseDecimal(string(raw)); !ok || !number.InRange() {
			bad.add(path, "is a number too large or with too many decimals")
		}
	}
}

// textProblem is why a JSON string cannot be stored as it was sent, or empty. encoding/json would replace the half of a
// surrogate pair.
func textProblem(raw []byte) string {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		if raw[i] != 'u' {
			continue
		}
		r := escaped(raw[i-1:])
		if r == 0 {
			return "must not contain a NUL character"
		}
		if utf16.IsSurrogate(r) {
			if utf16.DecodeRune(r, escaped(raw[i+5:])) == utf8.RuneError {
				return "must not contain half of a surrogate pair"
			}
			i += 6
		}
		i += 4
	}
	return ""
}

// escaped is the code unit of the escape that text begins with, like \u00e9, or -1.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}
