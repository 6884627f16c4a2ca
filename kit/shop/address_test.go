package shop

import (
	"strings"
	"testing"
)

// countries are those of ISO 3166-1 by alpha-2 and alpha-3 code.
const countries = `AD AND,AE ARE,AF AFG,AG ATG,AI AIA,AL ALB,AM ARM,AO AGO,AQ ATA,AR ARG,AS ASM,AT AUT,AU AUS,AW ABW,AX ALA,AZ AZE,
BA BIH,BB BRB,BD BGD,BE BEL,BF BFA,BG BGR,BH BHR,BI BDI,BJ BEN,BL BLM,BM BMU,BN BRN,BO BOL,BQ BES,BR BRA,BS BHS,BT BTN,BV BVT,BW BWA,
BY BLR,BZ BLZ,CA CAN,CC CCK,CD COD,CF CAF,CG COG,CH CHE,CI CIV,CK COK,CL CHL,CM CMR,CN CHN,CO COL,CR CRI,CU CUB,CV CPV,CW CUW,CX CXR,
CY CYP,CZ CZE,DE DEU,DJ DJI,DK DNK,DM DMA,DO DOM,DZ DZA,EC ECU,EE EST,EG EGY,EH ESH,ER ERI,ES ESP,ET ETH,FI FIN,FJ FJI,FK FLK,FM FSM,
FO FRO,FR FRA,GA GAB,GB GBR,GD GRD,GE GEO,GF GUF,GG GGY,GH GHA,GI GIB,GL GRL,GM GMB,GN GIN,GP GLP,GQ GNQ,GR GRC,GS SGS,GT GTM,GU GUM,
GW GNB,GY GUY,HK HKG,HM HMD,HN HND,HR HRV,HT HTI,HU HUN,ID IDN,IE IRL,IL ISR,IM IMN,IN IND,IO IOT,IQ IRQ,IR IRN,IS ISL,IT ITA,JE JEY,
JM JAM,JO JOR,JP JPN,KE KEN,KG KGZ,KH KHM,KI KIR,KM COM,KN KNA,KP PRK,KR KOR,KW KWT,KY CYM,KZ KAZ,LA LAO,LB LBN,LC LCA,LI LIE,LK LKA,
LR LBR,LS LSO,LT LTU,LU LUX,LV LVA,LY LBY,MA MAR,MC MCO,MD MDA,ME MNE,MF MAF,MG MDG,MH MHL,MK MKD,ML MLI,MM MMR,MN MNG,MO MAC,MP MNP,
MQ MTQ,MR MRT,MS MSR,MT MLT,MU MUS,MV MDV,MW MWI,MX MEX,MY MYS,MZ MOZ,NA NAM,NC NCL,NE NER,NF NFK,NG NGA,NI NIC,NL NLD,NO NOR,NP NPL,
NR NRU,NU NIU,NZ NZL,OM OMN,PA PAN,PE PER,PF PYF,PG PNG,PH PHL,PK PAK,PL POL,PM SPM,PN PCN,PR PRI,PS PSE,PT PRT,PW PLW,PY PRY,QA QAT,
RE REU,RO ROU,RS SRB,RU RUS,RW RWA,SA SAU,SB SLB,SC SYC,SD SDN,SE SWE,SG SGP,SH SHN,SI SVN,SJ SJM,SK SVK,SL SLE,SM SMR,SN SEN,SO SOM,
SR SUR,SS SSD,ST STP,SV SLV,SX SXM,SY SYR,SZ SWZ,TC TCA,TD TCD,TF ATF,TG TGO,TH THA,TJ TJK,TK TKL,TL TLS,TM TKM,TN TUN,TO TON,TR TUR,
TT TTO,TV TUV,TW TWN,TZ TZA,UA UKR,UG UGA,UM UMI,US USA,UY URY,UZ UZB,VA VAT,VC VCT,VE VEN,VG VGB,VI VIR,VN VNM,VU VUT,WF WLF,WS WSM,
YE YEM,YT MYT,ZA ZAF,ZM ZMB,ZW ZWE`

func TestCountryCodes(t *testing.T) {
	n := 0
	for country := range strings.SplitSeq(countries, ",") {
		codes := strings.Fields(country)
		for _, code := range append(codes, strings.ToLower(codes[0]), " "+codes[1]+" ") {
			if got := countryCode(code); got != codes[0] {
				t.Errorf("%q: %q, want %q", code, got, codes[0])
			}
		}
		n++
	}
	if n != 249 {
		t.Errorf("%d countries", n)
	}
	for name, want := range map[string]string{
		"United States": "US", "germany": "DE", "Hong Kong": "HK", "PANAMA": "PA", "United Arab Emirates": "AE", "840": "US",
		"United States of America": "US", "U.S.A.": "US", "UAE": "AE", "Viet Nam": "VN", "Côte d'Ivoire": "CI", "Ivory Coast": "CI",
		"Hong Kong SAR": "HK", "Macao": "MO", "Republic of Ireland": "IE", "UK": "GB", "XK": "XK", "Deutschland": "", "EU": "", "ZZ": "", "001": "", "c": "", "": "", " ": "", "\xff": "",
	} {
		if got := countryCode(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestAddressParts: the list is that of libaddressinput. In the countries of the second row people write no postal
// code, or may leave it out.
func TestAddressParts(t *testing.T) {
	for code := range strings.FieldsSeq("US USA CA AU GB DE DEU AT CH FR IT ES NL PL JP KR CN TW SG MY IN BR MX ZA TR UA Narnia") {
		if !NeedsPostalCode(code) {
			t.Errorf("%s needs a postal code", code)
		}
	}
	for code := range strings.FieldsSeq("AE ARE HK HKG PA IE QA GH JM BS BO AO ZW UG FJ MO BW RW CI KE NG PE CL CO VN ID EG SA KW") {
		if NeedsPostalCode(code) || NeedsState(code) {
			t.Errorf("%s needs neither a postal code nor a state", code)
		}
	}
	for code, want := range map[string]bool{"US": true, "USA": true, "can": true, "AU": true, "DE": false, "IT": false, "JP": false, "Narnia": false} {
		if NeedsState(code) != want {
			t.Errorf("%s needs a state: %v", code, !want)
		}
	}
	if known := strings.Fields(postalCodes); len(known) != 74 {
		t.Errorf("%d countries need a postal code", len(known))
	}
}
