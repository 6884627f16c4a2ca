package slug_test

import (
	"regexp"
	"strings"
	"testing"

	"sidecart/apps/products/internal/slug"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"Wireless Headphones": "wireless-headphones", "  Café  Olé! ": "cafe-ole", "a--b": "a-b", "Tom & Jerry's 1/2": "tom-jerrys-1-2",
		"Straße": "strasse", "STRAẞE": "strasse", "København": "kobenhavn", "Łódź": "lodz", "Cafe\u0301": "cafe", "Đà Nẵng": "da-nang",
		"Ærø Œuvre Þór": "aero-oeuvre-thor", "İstanbul": "istanbul", "Ελληνικά Ψωμί": "ellenika-psomi", "Москва": "moskva",
		"Объект": "obekt", "红色运动鞋": "hong-se-yun-dong-xie", "スニーカー": "sunika", "한국어": "hangugeo", "كتاب": "ktb", "ﬁne Ａｂｃ ²": "fine-abc-2",
		"": "item", "🎧🎧": "item", "\u200b": "item", "'": "item", "---": "item", "🎧 HP-1": "hp-1",
		strings.Repeat("x", 500): strings.Repeat("x", 120), strings.Repeat("x", 119) + " y": strings.Repeat("x", 119),
	} {
		if got := slug.Of(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestSuffix: a slug with a suffix is not longer than a slug that a client may send.
func TestSuffix(t *testing.T) {
	for base, want := range map[string]string{
		"chair": "chair-2", strings.Repeat("x", 120): strings.Repeat("x", 118) + "-2", strings.Repeat("x", 117) + "-yy": strings.Repeat("x", 117) + "-2",
	} {
		if got := slug.WithSuffix(base, "2"); got != want {
			t.Errorf("%q is %q, want %q", base, got, want)
		}
	}
	if one, two := slug.Unique("chair"), slug.Unique("chair"); one == two {
		t.Errorf("%q twice", one)
	}
}

// FuzzOf: every text makes a slug that a client may send.
func FuzzOf(f *testing.F) {
	for _, text := range []string{"Straße", "København", "Łódź", "红色运动鞋", "🎧", "\xff\x00", "\ud7ff", "a\u0301", "½ № €", "ﷺ", strings.Repeat("字", 100)} {
		f.Add(text)
	}
	valid := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, got := range []string{slug.Of(text), slug.Unique(slug.Of(text))} {
			if !valid.MatchString(got) || len(got) > slug.MaxLength {
				t.Errorf("%q is %q", text, got)
			}
		}
	})
}
