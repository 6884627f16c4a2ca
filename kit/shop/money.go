package shop

import (
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Money is an exact amount: a whole number of units and the number of its decimals. 299.99 is 29999 with 2 decimals.
// The currency is not part of it and is stored beside it. The zero Money is 0.
type Money struct {
	units    int64
	decimals uint8
}

// ErrMoney is the error of every invalid amount.
var ErrMoney = errors.New("an amount is a number like 299.99")

// maxDecimals exceeds the decimals of all currencies (4), so that an amount with too many is refused for its currency.
const maxDecimals = 6

// wholeDigits limits requested amounts to less than 10^12, which with 6 decimals fits 64 bits.
const wholeDigits = 12

// maxDigits exceeds the digits of all numbers of 64 bits.
const maxDigits = 20

// ParseMoney parses a JSON number of at most 6 decimals below 10^12. It keeps the decimals as they are written: 5.000
// has three, and 1E+2, which is 100, has none.
func ParseMoney(s string) (Money, error) {
	m, err := parseMoney(s)
	if err != nil || m.TooLarge() {
		return Money{}, ErrMoney
	}
	return m, nil
}

// TooLarge reports whether an amount is 10^12 or more. Sums may be; requested amounts may not.
func (m Money) TooLarge() bool {
	limit := int64(1)
	for range wholeDigits + int(m.decimals) {
		limit *= 10
	}
	return m.units >= limit || m.units <= -limit
}

// parseMoney also parses amounts of 10^12 and more, which are stored sums.
func parseMoney(s string) (Money, error) {
	d, ok := ParseDecimal(s)
	if !ok || d.Scale > maxDecimals || d.WholeDigits() > maxDigits {
		return Money{}, ErrMoney
	}
	digits := d.Digits
	if d.Digits != "" && d.Scale < 0 {
		digits += strings.Repeat("0", -d.Scale)
	}
	units, err := strconv.ParseInt("0"+digits, 10, 64)
	if err != nil {
		return Money{}, ErrMoney
	}
	if d.Negative {
		units = -units
	}
	return Money{units: units, decimals: uint8(max(0, d.Scale))}, nil //nolint:gosec // at most maxDecimals
}

// MustMoney parses an amount in source code and panics on an error.
func MustMoney(s string) Money {
	m, err := ParseMoney(s)
	if err != nil {
		panic(err)
	}
	return m
}

// MoneyOf returns units / 10^decimals: 29999 with 2 decimals is 299.99. It fails above 6 decimals.
func MoneyOf(units int64, decimals int) (Money, error) {
	if decimals < 0 || decimals > maxDecimals {
		return Money{}, ErrMoney
	}
	return Money{units: units, decimals: uint8(decimals)}, nil
}

// Units returns the amount times 10^decimals: 299.99 with 3 decimals is 299990. It fails if the amount has more
// decimals or the result overflows.
func (m Money) Units(decimals int) (int64, error) {
	if decimals < 0 || decimals > maxDecimals {
		return 0, ErrMoney
	}
	exact, err := m.with(uint8(decimals))
	return exact.units, err
}

// In returns the amount with exactly the decimals of a current or former currency of ISO 4217: 5 in USD is 5.00. It
// fails if the currency is unknown or the amount has more decimals.
func (m Money) In(code string) (Money, error) {
	scale, ok := decimals(code)
	if !ok {
		return Money{}, fmt.Errorf("%q is not a currency of ISO 4217", code)
	}
	exact, err := m.with(scale)
	if errors.Is(err, errDecimals) {
		return Money{}, fmt.Errorf("%s has %d decimals", code, scale)
	}
	return exact, err
}

// Given returns a requested amount with exactly the decimals of a currency, as In does. It also fails if the amount is
// written with more decimals, even if they are zeros: 5.000 is no amount in USD.
func (m Money) Given(code string) (Money, error) {
	if scale, ok := decimals(code); ok && m.decimals > scale {
		return Money{}, fmt.Errorf("%s has %d decimals", code, scale)
	}
	return m.In(code)
}

var errDecimals = errors.New("the amount has more decimals than that")

// with returns the same value with another number of decimals. It fails with errDecimals, or with ErrMoney on overflow.
func (m Money) with(decimals uint8) (Money, error) {
	for m.decimals > decimals && m.units%10 == 0 {
		m.units /= 10
		m.decimals--
	}
	if m.decimals > decimals {
		return Money{}, errDecimals
	}
	for m.decimals < decimals {
		if m.units > math.MaxInt64/10 || m.units < math.MinInt64/10 {
			return Money{}, ErrMoney
		}
		m.units *= 10
		m.decimals++
	}
	return m, nil
}

// Times returns the amount times n. It fails if ParseMoney would refuse the result.
func (m Money) Times(n int) (Money, error) {
	product, err := Product(m, n)
	if err != nil || product.TooLarge() {
		return Money{}, ErrMoney
	}
	return product, nil
}

// Plus returns the sum, with the larger number of decimals. It fails if ParseMoney would refuse the result.
func (m Money) Plus(other Money) (Money, error) {
	sum, err := Sum(m, other)
	if err != nil || sum.TooLarge() {
		return Money{}, ErrMoney
	}
	return sum, nil
}

// Product is Times for amounts that are only shown or refunded: it fails only on overflow of 64 bits.
func Product(m Money, n int) (Money, error) {
	product := new(big.Int).Mul(big.NewInt(m.units), big.NewInt(int64(n)))
	if !product.IsInt64() {
		return Money{}, ErrMoney
	}
	return Money{units: product.Int64(), decimals: m.decimals}, nil
}

// Sum is Plus for amounts that are only shown or refunded: it fails only on overflow of 64 bits.
func Sum(amounts ...Money) (sum Money, err error) {
	for _, m := range amounts {
		decimals := max(sum.decimals, m.decimals)
		if sum, err = sum.with(decimals); err != nil {
			return Money{}, err
		}
		if m, err = m.with(decimals); err != nil {
			return Money{}, err
		}
		if (m.units > 0 && sum.units > math.MaxInt64-m.units) || (m.units < 0 && sum.units < math.MinInt64-m.units) {
			return Money{}, ErrMoney
		}
		sum.units += m.units
	}
	return sum, nil
}

// Negative returns the amount with the other sign.
func (m Money) Negative() Money { return Money{units: -m.units, decimals: m.decimals} }

// Over returns the amount divided by n, rounded half away from zero to its decimals; 0 if n is 0.
func (m Money) Over(n int64) (Money, error) {
	if n < 0 {
		return Money{}, ErrMoney
	}
	if n == 0 {
		return Money{decimals: m.decimals}, nil
	}
	whole, rest := m.units/n, m.units%n
	if rest < 0 {
		rest = -rest
	}
	if rest >= n-rest {
		whole += int64(m.Sign())
	}
	return Money{units: whole, decimals: m.decimals}, nil
}

// Sign is -1, 0 or 1.
func (m Money) Sign() int { return cmp.Compare(m.units, 0) }

// Equal compares values: 5 equals 5.00.
func (m Money) Equal(other Money) bool { return m.shortest() == other.shortest() }

// shortest returns the same value with as few decimals as possible.
func (m Money) shortest() Money {
	for m.decimals > 0 && m.units%10 == 0 {
		m.units, m.decimals = m.units/10, m.decimals-1
	}
	return m
}

// String returns the amount with its decimals: 599.98, 5.00, 0.05.
func (m Money) String() string {
	sign, units := "", new(big.Int).Abs(big.NewInt(m.units))
	if m.units < 0 {
		sign = "-"
	}
	digits := fmt.Sprintf("%0*d", int(m.decimals)+1, units)
	point := len(digits) - int(m.decimals)
	if m.decimals == 0 {
		return sign + digits
	}
	return sign + digits[:point] + "." + digits[point:]
}

// MarshalJSON returns a JSON number.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON parses a JSON number exactly, also one that is TooLarge: stored sums may be, and requests are
// validated. It fails with ErrMoney, also for a string.
func (m *Money) UnmarshalJSON(b []byte) (err error) {
	*m, err = parseMoney(string(b))
	return err
}

// Value returns the amount as an SQL numeric.
func (m Money) Value() (driver.Value, error) { return m.String(), nil }

// Scan parses an SQL numeric, also one that is TooLarge.
func (m *Money) Scan(src any) (err error) {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan %T into Money: %w", src, ErrMoney)
	}
	*m, err = parseMoney(s)
	return err
}
