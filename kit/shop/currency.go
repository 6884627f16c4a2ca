package shop

import (
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/currency"
)

// currentDecimals are the decimals of each currency of ISO 4217 ("List One", amendment 180), without entries that have
// no decimals there: metals, units of account, and the codes for tests and for no currency.
//
// Libraries follow CLDR, whose decimals are those that people write (none for IDR, COP and twenty others), while banks
// use ISO's; and some currencies are newer than the libraries' releases.
var currentDecimals = decimalsOf(map[uint8]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	2: "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP " +
		"COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR " +
		"JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN " +
		"NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL " +
		"THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
	3: "BHD IQD JOD KWD LYD OMR TND",
	4: "CLF UYW",
})

func decimalsOf(groups map[uint8]string) map[string]uint8 {
	all := map[string]uint8{}
	for decimals, codes := range groups {
		for code := range strings.FieldsSeq(codes) {
			all[code] = decimals
		}
	}
	return all
}

// IsCurrency reports whether an upper-case code is a current currency of ISO 4217.
func IsCurrency(code string) bool {
	_, ok := currentDecimals[code]
	return ok
}

// Currencies returns the codes of all current currencies of ISO 4217, in order.
func Currencies() []string { return slices.Sorted(maps.Keys(currentDecimals)) }

// decimals also has former currencies, which old orders may have.
func decimals(code string) (uint8, bool) {
	if d, ok := currentDecimals[code]; ok {
		return d, true
	}
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		return 0, false
	}
	scale, _ := currency.Standard.Rounding(unit)
	return uint8(scale), true //nolint:gosec // 0 to 4
}
