package shop

import (
	"math"
	"strconv"
	"strings"
)

// Decimal is a number as it was written in JSON: Digits times 10 to the power of -Scale. 1.50e1 has the digits 150 and
// the scale 1. It may be far too large or small to be written without an exponent.
type Decimal struct {
	Negative bool
	Digits   string // without leading zeros, so empty for zero
	Scale    int    // the number of decimals, if it is positive; huge exponents are clamped
}

// ParseDecimal parses a JSON number: 5, -0.05, 1E+2. Its cost depends on the length of the text only.
func ParseDecimal(text string) (d Decimal, ok bool) {
	text, d.Negative = strings.CutPrefix(text, "-")
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
		if !areDigits(strings.TrimLeft(exponent[:min(1, len(exponent))], "+-") + exponent[min(1, len(exponent)):]) {
			return Decimal{}, false
		}
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if !areDigits(whole) || point && !areDigits(fraction) {
		return Decimal{}, false
	}
	d.Digits = strings.TrimLeft(whole+fraction, "0")
	d.Scale = len(fraction) - clampedInt(exponent)
	return d, true
}

func areDigits(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// clampedInt parses digits with an optional sign. Beyond 32 bits it returns the nearest number of 32 bits.
func clampedInt(text string) int {
	n, _ := strconv.ParseInt(text, 10, 32) // out of range, it is the nearest
	return int(n)
}

// Int returns the number if it is whole and fits 64 bits: 2, 2.0 and 2e0 are 2.
func (d Decimal) Int() (n int64, ok bool) {
	digits := strings.TrimRight(d.Digits, "0")
	if digits == "" {
		return 0, true
	}
	zeros := len(d.Digits) - len(digits) - d.Scale
	if zeros < 0 || len(digits)+zeros > len(strconv.FormatUint(math.MaxUint64, 10)) {
		return 0, false
	}
	text := digits + strings.Repeat("0", zeros)
	if d.Negative {
		text = "-" + text
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// WholeDigits returns how many digits the number has before its decimal point, without leading zeros.
func (d Decimal) WholeDigits() int {
	if d.Digits == "" {
		return 0
	}
	return max(0, len(d.Digits)-d.Scale)
}

// InRange reports whether the number is below 1e308 and has at most 308 decimals. Programs that read JSON numbers as
// 64-bit floats can hold it then, and Postgres can as numeric and in jsonb. It refuses huge exponents even of zero.
func (d Decimal) InRange() bool { return len(d.Digits)-d.Scale <= 308 && d.Scale <= 308 }
