package shop

import (
	"strings"
	"unicode"
)

// IsBlank reports whether a text shows nothing: it is empty, or has only white space, control and format characters,
// fillers, and marks without a letter to stand on.
func IsBlank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !isInvisible(r) && !unicode.In(r, unicode.White_Space, unicode.Mark, blankSymbols)
	})
}

// HasInvisible reports whether a text has a character that shows nothing, which makes two different texts look the
// same.
func HasInvisible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return isInvisible(r) || unicode.In(r, unicode.White_Space, blankSymbols)
	})
}

// isInvisible follows Unicode's Default_Ignorable_Code_Point, of which Go has the parts, and adds control characters
// and all format characters.
func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point,
		unicode.Variation_Selector, unicode.Noncharacter_Code_Point)
}

// blankSymbols are letters and symbols whose glyph is empty: Unicode has no property for them.
var blankSymbols = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}, // braille pattern blank
	R32: []unicode.Range32{
		{Lo: 0x13441, Hi: 0x13442, Stride: 1}, // hieroglyphic blanks
		{Lo: 0x1D159, Hi: 0x1D159, Stride: 1}, // musical symbol null notehead
	},
}
