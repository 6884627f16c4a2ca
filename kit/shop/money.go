package shop

import (
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

// ParseMoney reads a decimal number: no exponent, no sign but a leading minus, at most 6 decimals, below 10^12 units.
func ParseMoney(s string) (Money, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || (point && fraction == "") || len(fraction) > maxDecimals || len(whole) > 12 {
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

// Times is the amount n times. It fails where the result would not fit.
func (m Money) Times(n int) (Money, error) {
	product := new(big.Int).Mul(big.NewInt(m.units), big.NewInt(int64(n)))
	if !product.IsInt64() {
		return Money{}, ErrMoney
	}
	return Money{units: product.Int64(), decimals: m.decimals}, nil
}

// Plus is the sum, with the larger number of decimals. It fails where the result would not fit.
func (m Money) Plus(other Money) (Money, error) {
	for m.decimals < other.decimals {
		m.units, m.decimals = m.units*10, m.decimals+1
	}
	for other.decimals < m.decimals {
		other.units, other.decimals = other.units*10, other.decimals+1
	}
	if (other.units > 0 && m.units > math.MaxInt64-other.units) || (other.units < 0 && m.units < math.MinInt64-other.units) {
		return Money{}, ErrMoney
	}
	return Money{units: m.units + other.units, decimals: m.decimals}, nil
}

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
func (m Money) Sign() int {
	switch {
	case m.units < 0:
		return -1
	case m.units > 0:
		return 1
	}
	return 0
}

// Equal compares values: 5 equals 5.00.
func (m Money) Equal(other Money) bool {
	for m.decimals < other.decimals {
		m.units, m.decimals = m.units*10, m.decimals+1
	}
	for other.decimals < m.decimals {
		other.units, other.decimals = other.units*10, other.decimals+1
	}
	return m.units == other.units
}

// String writes the amount with its decimals: 599.98, 5.00, 0.05.
func (m Money) String() string {
	sign, units := "", m.units
	if units < 0 {
		sign, units = "-", -units
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

// UnmarshalJSON reads a JSON number, exactly. It fails with ErrMoney, also for a string.
func (m *Money) UnmarshalJSON(b []byte) (err error) {
	*m, err = ParseMoney(string(b))
	return err
}

// Value keeps the amount as an SQL numeric.
func (m Money) Value() (driver.Value, error) { return m.String(), nil }

// Scan reads an SQL numeric.
func (m *Money) Scan(src any) (err error) {
	s, ok := src.(string)
	if !ok {
		return fmt.Errorf("scan %T into Money: %w", src, ErrMoney)
	}
	*m, err = ParseMoney(s)
	return err
}
