package shop

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// postalCodes are the countries whose addresses need a postal code: those of which Google's libaddressinput has Z in
// "require" (cpp/src/region_data_constants.cc at commit e20690c of 2025-06-12). All other countries have no postal
// codes, or people leave them out. To update the list, run in a clone of https://github.com/google/libaddressinput:
//
//	awk -F'"' '/emplace/ {c = $2} $3 == "require" && $5 ~ /Z/ {print c}' cpp/src/region_data_constants.cc | xargs
const postalCodes = "AS AT AU AX BE BL BR CA CH CN CZ DE DK EE ES FI FK FM FR GB GF GG GL GP GR GS GU HU IM IN IO IT JE JP " +
	"KR LI LT LU LV MF MH MP MQ MX MY NC NL NO NZ PF PL PM PN PR PT PW RE RO RU SE SG SH SJ SK SM TC TR TW UA US VI WF YT ZA"

// states are the countries whose addresses need a state. libaddressinput also requires one in 34 others, in which the
// postal code or the city determines it, and people leave it out.
const states = "AU CA US"

// NeedsPostalCode reports whether an address in a country needs a postal code. A country is a code of ISO 3166-1 (US,
// USA, 840) or an English name. An address in an unknown country needs one.
func NeedsPostalCode(country string) bool {
	code := countryCode(country)
	return code == "" || strings.Contains(postalCodes, code)
}

// NeedsState reports whether an address in a country needs a state. An address in an unknown country needs none.
func NeedsState(country string) bool {
	code := countryCode(country)
	return code != "" && strings.Contains(states, code)
}

// countryCode is a country's alpha-2 code of ISO 3166-1, or empty for an unknown country.
func countryCode(country string) string {
	country = strings.TrimSpace(country)
	region, err := language.ParseRegion(country)
	if err == nil && region.IsCountry() {
		return region.Canonicalize().String() // UK is GB
	}
	name := strings.ReplaceAll(strings.ToLower(country), "'", "’")
	if code, ok := otherNames[name]; ok {
		return code
	}
	return countryNames()[name]
}

// otherNames are common names that CLDR does not have, of countries whose addresses need a state or no postal code.
var otherNames = map[string]string{
	"united states of america": "US", "u.s.a.": "US", "u.s.": "US", "uae": "AE", "viet nam": "VN", "ivory coast": "CI",
	"hong kong sar": "HK", "macao": "MO", "macau sar": "MO", "republic of ireland": "IE",
}

// countryNames are the codes by English name, in lower case.
var countryNames = sync.OnceValue(func() map[string]string {
	codes, names := map[string]string{}, display.English.Regions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			region, err := language.ParseRegion(string(a) + string(b))
			if err != nil || !region.IsCountry() || region.Canonicalize() != region {
				continue
			}
			name, _, _ := strings.Cut(names.Name(region), " SAR ") // Hong Kong SAR China
			if name != "" {
				codes[strings.ToLower(name)] = region.String()
			}
		}
	}
	return codes
})
