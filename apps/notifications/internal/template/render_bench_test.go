package template

import (
	"testing"

	"sidecart/apps/notifications/internal/kind"
)

// BenchmarkRender renders an e-mail and an inbox notification.
func BenchmarkRender(b *testing.B) {
	for _, channel := range []kind.Channel{kind.Email, kind.InApp} {
		b.Run(string(channel), func(b *testing.B) {
			text, err := builtIn(Selector{kind.Placed, channel, English})
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
