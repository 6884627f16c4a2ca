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

// Money is an exact amount: a whole number of the smallest unit and how many decimals that unit stands for. 299.99 is
// 29999 with 2 decimals. It says nothing of its currency, which stands beside it. The zero Money is 0.
type Money struct {
	units    int64
	decimals uint8
}

// ErrMoney is what every refusal of an amount is.
var ErrMoney = errors.New("an amount is a number like 299.99")

// maxDecimals is more than any currency of ISO 4217 has (4), so that a wrong amount is refused for its currency.
const maxDecimals = 6

// wholeDigits bounds what anybody may ask for: an amount is below 10^12, and with 6 decimals it fits 64 bits.
const wholeDigits = 12

// ParseMoney reads a decimal number: no exponent, no sign but a leading minus, at most 6 decimals, below 10^12.
func ParseMoney(s string) (Money, error) {
	m, err := read(s)
	if err != nil || m.TooLarge() {
		return Money{}, ErrMoney
	}
	return m, nil
}

// TooLarge says whether an amount is 10^12 or more: it can be kept and shown, and nobody may ask for it.
func (m Money) TooLarge() bool {
	limit := int64(1)
	for range wholeDigits + int(m.decimals) {
		limit *= 10
	}
	return m.units >= limit || m.units <= -limit
}

// read is ParseMoney also for what is larger and kept already: a sum of many amounts, or an order of the time before the bound.
func read(s string) (Money, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || (point && fraction == "") || len(fraction) > maxDecimals {
		return Money{}, ErrMoney
	}
	for _, r := range whole + fraction {
		if r < '0' || r > '9' {
			return Money{}, ErrMoney
		}
	}
	units, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return Money{}, ErrMoney
	}
	if negative {
		units = -units
	}
	return Money{units: units, decimals: uint8(len(fraction))}, nil //nolint:gosec // at most maxDecimals
}

// MustMoney is ParseMoney for amounts in the source.
func MustMoney(s string) Money {
	m, err := ParseMoney(s)
	if err != nil {
		panic(err)
	}
	return m
}

// MoneyOf is so many units of which 10^decimals make one: 29999 with 2 decimals is 299.99. It fails above 6 decimals.
func MoneyOf(units int64, decimals int) (Money, error) {
	if decimals < 0 || decimals > maxDecimals {
		return Money{}, ErrMoney
	}
	return Money{units: units, decimals: uint8(decimals)}, nil
}

// Units is the amount in units of which 10^decimals make one: 299.99 with 3 decimals is 299990. It fails if the amount has
// more decimals than that, or would not fit.
func (m Money) Units(decimals int) (int64, error) {
	if decimals < 0 || decimals > maxDecimals {
		return 0, ErrMoney
	}
	exact, err := m.with(uint8(decimals))
	return exact.units, err
}

// In is the amount with exactly the decimals of an ISO 4217 currency, of today or of earlier times: 5 in USD is 5.00. It fails if
// the currency is unknown or the amount has more decimals than it.
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

var errDecimals = errors.New("the amount has more decimals than that")

// with is the same value with so many decimals. It fails with errDecimals, or where it would not fit.
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

// Times is the amount n times. It fails where ParseMoney would not read the result.
func (m Money) Times(n int) (Money, error) {
	product, err := Product(m, n)
	if err != nil || product.TooLarge() {
		return Money{}, ErrMoney
	}
	return product, nil
}

// Plus is the sum, with the larger number of decimals. It fails where ParseMoney would not read the result.
func (m Money) Plus(other Money) (Money, error) {
	sum, err := Sum(m, other)
	if err != nil || sum.TooLarge() {
		return Money{}, ErrMoney
	}
	return sum, nil
}

// Product is Times for what is only shown, or given back: it fails only where 64 bits are too few.
func Product(m Money, n int) (Money, error) {
	product := new(big.Int).Mul(big.NewInt(m.units), big.NewInt(int64(n)))
	if !product.IsInt64() {
		return Money{}, ErrMoney
	}
	return Money{units: product.Int64(), decimals: m.decimals}, nil
}

// Sum is Plus for what is only shown, or given back: it fails only where 64 bits are too few.
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

// Negative is the amount with the other sign.
func (m Money) Negative() Money { return Money{units: -m.units, decimals: m.decimals} }

// Over is the amount divided by n, rounded half away from zero to its decimals; 0 where n is 0.
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

// shortest is the same value with as few decimals as it needs.
func (m Money) shortest() Money {
	for m.decimals > 0 && m.units%10 == 0 {
		m.units, m.decimals = m.units/10, m.decimals-1
	}
	return m
}

// String writes the amount with its decimals: 599.98, 5.00, 0.05.
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

// MarshalJSON writes a JSON number.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON reads a JSON number, exactly, and one that is TooLarge as well: an event or an order may have it, and a request's price is
// validated. It fails with ErrMoney, also for a string.
func (m *Money) UnmarshalJSON(b []byte) (err error) {
	*m, err = read(string(b))
	return err
}

// Value keeps the amount as an SQL numeric.
func (m Money) Value() (driver.Value, error) { return m.String(), nil }

// Scan reads an SQL numeric, and one that is TooLarge as well.
func (m *Money) Scan(src any) (err error) {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan %T into Money: %w", src, ErrMoney)
	}
	*m, err = read(s)
	return err
}
