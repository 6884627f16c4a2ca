package shop

import (
	"strings"

	"golang.org/x/text/currency"
)

// inUse is how many decimals each currency has that ISO 4217 lists today ("List One", amendment 180), but for what has no
// decimals there because it is no money: metals, units of account, the codes for tests and for no currency.
//
// It is not taken from a library: those follow CLDR, whose digits are the ones that people write (none for IDR, COP and twenty
// others), while banks count as ISO does; and currencies are younger than their releases.
var inUse = decimalsOf(map[uint8]string{
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

// IsCurrency says whether a code, in capitals, is a currency of ISO 4217 that something can be sold in today.
func IsCurrency(code string) bool {
	_, ok := inUse[code]
	return ok
}

// decimals also knows the currencies of earlier times, in which there may be orders.
func decimals(code string) (uint8, bool) {
	if d, ok := inUse[code]; ok {
		return d, true
	}
	unit, err := currency.ParseISO(code)
	if err != nil || unit.String() != code {
		return 0, false
	}
	scale, _ := currency.Standard.Rounding(unit)
	return uint8(scale), true //nolint:gosec // 0 to 4
}
