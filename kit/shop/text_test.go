package shop_test

import (
	"testing"

	"sidecart/kit/shop"
)

func TestIsBlank(t *testing.T) {
	for _, text := range []string{
		"", " ", "\t\n", "\u00a0", "\u3000", "\u200b", "\u2060\ufeff", "\u3164", "\u00ad", "\u180e", "\u115f\u1160", "\uffa0", "\u2800",
		"\u200e\u202e\u2069", "\ufe0f", "\U000e0101", "\U000e0041\U000e007f", "\u034f", "\u0301", "\u17b4", "\u0000", "\ufff9", "\uffff",
		"\u2061\u2064", "\U0001d159", "\U0001d173",
	} {
		if !shop.IsBlank(text) {
			t.Errorf("%+q is not blank", text)
		}
	}
	for _, text := range []string{"a", " a ", "é", "e\u0301", "क\u094d\u200dष", "名", "👩\u200d💻", "!", "0", "€", "\ue000", "\ufffd"} {
		if shop.IsBlank(text) {
			t.Errorf("%+q is blank", text)
		}
	}
}

func TestHasInvisible(t *testing.T) {
	for text, want := range map[string]bool{
		"ada": false, "zoë": false, "": false, "a\u0301": false, "ad\u200ba": true, "ad\u3164a": true, "\ufeffada": true, "a a": true, "a\u202eb": true,
	} {
		if shop.HasInvisible(text) != want {
			t.Errorf("%+q: %t", text, !want)
		}
	}
}
