package transfer

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A charset is the encoding of a CSV file.
type charset struct {
	name              string
	encoding.Encoding // nil for UTF-8
}

// findCharset returns the charset of a name of the WHATWG's standard, as browsers and spreadsheets write them. An empty
// name is UTF-8. It fails with ErrCharset.
func findCharset(name string) (charset, error) {
	known, err := htmlindex.Get(name)
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return charset{name: "UTF-8"}, nil
	case "utf-16", "utf-16le":
		known = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case "utf-16be":
		known = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "x-user-defined":
		return charset{}, ErrCharset
	}
	if err != nil || known == encoding.Replacement {
		return charset{}, ErrCharset
	}
	return charset{strings.ToLower(name), known}, nil
}

func (c charset) isUTF8() bool { return c.Encoding == nil }

// decode returns a file in UTF-8. What the charset does not have is U+FFFD.
func (c charset) decode(file io.Reader) io.Reader {
	if c.isUTF8() {
		return file
	}
	return transform.NewReader(file, c.NewDecoder())
}

// problem is why a decoded text is none of the charset, or empty. A text that is U+FFFD in UTF-8 is one. The control
// characters above ASCII stand for bytes that the charsets of Windows leave undefined.
func (c charset) problem(text string) string {
	if !c.isUTF8() {
		if strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || r >= 0x80 && r < 0xa0 }) {
			return "has bytes that are no text in " + c.name
		}
		return ""
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return fmt.Sprintf("is not UTF-8: it has the byte %#x; send UTF-8, or the file's charset in Content-Type", text[i])
		}
	}
	return ""
}
