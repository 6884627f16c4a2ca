package web

import "testing"

func TestHasLink(t *testing.T) {
	for _, name := range []string{
		"", "Ada Lovelace", "Dr. J.R.R. Tolkien", "J.R.R.Tolkien", "Mary-Jane O'Neil", "D.va", "Martin Luther King Jr.", "Al.Pacino", "王小明", "Ng.", "Ng",
		"St.John", "O.J. Simpson", "George W. Bush", "Sammy Davis, Jr.", "Prof. Dr. h.c. Müller", "M.A. Smith", "A. P. J. Abdul Kalam",
		"Ravi s/o Kumar", "Muthu A/L Raman", "c/o Meier", "Müller & Söhne GmbH", "Jean-Luc Godard", "玛丽·居里", "Núria Gal·la", "محمد", "Ann (Annie) Lee", "X Æ A-12",
		"Wwwilliam", "Ann @ Home", "@ada", "Smith: Ann", "Anna-Lena v.d. Berg", "J.Li", "T.J.Ma", "Nr. 5.5", "1.2", "Étienne d’Alembert", "Conan O’Brien", "李. 小龙", "Mr. T",
		`<img src=x onerror=alert(1)> {{.Secret}} & "co"`, "K.-H. Schmidt", "Phạm Thị Hà", "Ann... Smith", "No.7", "Data Kumar", "Tel Aviv",
	} {
		if hasLink(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{
		"Win 500 EUR now http://evil.example/x", "https://evil.example", "HTTPS://EVIL.EXAMPLE", "ftp://evil.example", "hxxp://evil.example", "//evil.example/x", "http:evil",
		"www.evil.example", "See WWW.Evil.Example", "(www.evil.com)", "evil.example/x", "evil.example", "Visit evil.com now", "EVIL.COM", "Evil.Com", "bit.ly/x", "Bit.Ly/X", "bit.ly",
		"t.co/x", "T.CO/x", "evil.example:8080", "evil.example?x", "evil.example#x", "a.b.evil.co.uk", "evil.com.", "evil.com, now", "<a href=evil.com>", "xn--e1awd7f.com",
		"ann@evil.example", "Ann ann@evil.example", "mailto:ann", "tel:0900123456", "javascript:alert(1)", "Data:text/html,x", "192.0.2.7", "192.0.2.7/x",
		"ｈｔｔｐ：／／evil", "ｗｗｗ．ｅｖｉｌ．ｃｏｍ", "evil。com", "evil．com", "evil\u200b.com", "ev\u00adil.\u2060com", "пример.рф", "例え.みんな", "müller.de", "Ann.Smith.evil.com",
		"${jndi:ldap://x/a}", "[evil](evil.com)", "evil.com!", "Ann evil.shop/win", "win-500-eur.xyz", "my_evil.com",
		"Dr.med. Anna Müller", "al.pacino", "Dr.Kim", // look like domain names: a space after the point is needed
	} {
		if !hasLink(name) {
			t.Errorf("%q is accepted", name)
		}
	}
}
