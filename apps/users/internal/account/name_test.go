package account

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"sidecart/kit/fault"
	"sidecart/kit/web"
)

func TestNamesAreComparedWithoutCaseAndForm(t *testing.T) {
	for _, same := range [][]string{
		{"testuser", "TestUser", "TESTUSER", " testuser ", "ｔｅｓｔｕｓｅｒ", "𝓽𝓮𝓼𝓽𝓾𝓼𝓮𝓻", "ⓣestuser"},
		{"straße", "STRASSE", "Strasse", "STRAẞE"},
		{"σίσυφος", "ΣΊΣΥΦΟΣ", "Σίσυφοσ"},
		{"ﬁnn", "finn", "FINN"},
		{"é", "e\u0301", "É"},
		{"user@example.com", "USER@EXAMPLE.COM", "ｕser@example.com"},
	} {
		for _, name := range same {
			if canonical(name) != canonical(same[0]) {
				t.Errorf("%q and %q are compared as %q and %q", name, same[0], canonical(name), canonical(same[0]))
			}
		}
	}
	if canonical("ann") == canonical("anna") || canonical("a") == canonical("á") {
		t.Error("different names compare as equal")
	}
}

func TestLookalikesHaveOneSkeleton(t *testing.T) {
	for _, same := range [][]string{
		{"paypal", "PAYPAL", "раураl", "РАУРАL", "paypaI", "paypa1", "pаypal", "ραypal"},
		{"scope", "ѕсоре", "ЅСОРЕ", "sc0pe", "sсope"},
		{"admin", "аdmin", "ａdmin", "admіn", "adm1n"},
		{"hook", "ноок", "НООК"},
	} {
		for _, name := range same {
			if skeleton(name) != skeleton(same[0]) {
				t.Errorf("the skeletons of %q and %q are %q and %q", name, same[0], skeleton(name), skeleton(same[0]))
			}
		}
	}
	for _, names := range [][2]string{{"ann", "anna"}, {"müller", "muller"}, {"иван", "uван"}, {"user2", "user3"}, {"ß", "b"}} {
		if skeleton(names[0]) == skeleton(names[1]) {
			t.Errorf("%q and %q have one skeleton", names[0], names[1])
		}
	}
}

func TestUsernameProblem(t *testing.T) {
	for name, valid := range map[string]bool{
		"testuser": true, "Jürgen-42": true, "иван": true, "Ελένη": true, "田中ゆき": true, "tanaka田中カナ": true, "김민수": true, "kim김": true, "محمد": true, "o.brien_3": true,
		"pаypal": false /* Cyrillic а */, "ιvan": false /* Greek ι */, "абвabc": false, "김カナ": false, "ﷺ": false, "ann½": false,
	} {
		if got := usernameProblem(name) == ""; got != valid {
			t.Errorf("%q: valid is %v, want %v (%s)", name, got, valid, usernameProblem(name))
		}
	}
}

// FuzzNames: the canonical form of a canonical form is itself, and nothing panics.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"testuser", "Straße", "ΣΊΣΥΦΟΣ", "ｔｅｓｔ", "раураl", "ﷺ", "e\u0301\u0327", "İstanbul", "\u0345\u0391", "ᾳ", "ſ", "\xff", "K", "Ω\u0345"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) || len(name) > 400 {
			t.Skip("not a name: encoding and length are refused before names are compared")
		}
		once := canonical(name)
		if twice := canonical(once); twice != once {
			t.Errorf("%q is compared as %q, and that as %q", name, once, twice)
		}
		if upper := canonical(strings.ToUpper(name)); usernameProblem(name) == "" && usernameProblem(strings.ToUpper(name)) == "" && isASCII(name) && upper != once {
			t.Errorf("%q in capitals is compared as %q, want %q", name, upper, once)
		}
		_ = skeleton(name)
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

func TestPasswordPolicy(t *testing.T) {
	if len(commonPasswords) < 5000 {
		t.Fatalf("only %d common passwords", len(commonPasswords))
	}
	for line := range commonPasswords {
		if line != canonical(line) || utf8.RuneCountInString(line) < 8 {
			t.Errorf("%q cannot match: it is too short or not canonical", line)
		}
	}
	for password, valid := range map[string]bool{
		"SecurePassword123!": true, "correct horse battery staple": true, "пароль-длинный": true, "        ": true, strings.Repeat("a", 72): true,
		"password": false, "PASSWORD": false, "Password123": false, "12345678": false, "qwertyuiop": false, "iloveyou1": false, "ｐassword": false, "sidecart2026": false,
		"longusername": false, "LongUsername": false, "long@example.com": false, "long.local.part": false, "Ann Example": false,
		strings.Repeat("a", 73): false, strings.Repeat("é", 37): false,
	} {
		got := passwordProblem(password, "longusername", "long@example.com", "long.local.part@example.com", "Ann Example", "") == ""
		if got != valid {
			t.Errorf("%q: valid is %v, want %v", password, got, valid)
		}
	}
}

// TestNamesWithLinks: a full name is in e-mails, and its account's address may be another person's.
func TestNamesWithLinks(t *testing.T) {
	valid := Registration{Username: "ada", Email: "ada@example.com", Password: "SecurePassword123!"}
	for name, refused := range map[string]bool{
		"": false, "Dr. J.R.R. Tolkien": false, "Mary-Jane O'Neil": false, "王小明": false, "Al.Pacino": false, "Ng.": false, "Martin Luther King Jr.": false,
		"Win 500 EUR now http://evil.example/x": true, "evil.example/x": true, "www.evil.example": true, "bit.ly/x": true, "Ann ann@evil.example": true, "evil.com": true,
	} {
		body, _ := json.Marshal(map[string]string{"username": valid.Username, "email": valid.Email, "password": valid.Password, "full_name": name})
		for what, in := range map[string]any{"register": &Registration{}, "update": &AccountUpdate{}} {
			text := body
			if what == "update" {
				text, _ = json.Marshal(map[string]string{"full_name": name})
			}
			err := fault.Of(web.Read(text, in))
			if refused != (err != nil) || refused && err.Fields["full_name"] == "" {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
}
