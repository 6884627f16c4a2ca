package template

import (
	"testing"

	"sidecart/apps/notifications/internal/kind"
)

// BenchmarkFill is what a text costs to make: a mail, and a message of an inbox.
func BenchmarkFill(b *testing.B) {
	for _, channel := range []kind.Channel{kind.Email, kind.InApp} {
		b.Run(string(channel), func(b *testing.B) {
			text, err := builtIn(kind.Placed, channel, English)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := Render(text, channel, English, Sample); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
