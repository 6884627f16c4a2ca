package device

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

// TestLongTextIsShortened: a push service accepts 4096 bytes, and a Cyrillic letter has two.
func TestLongTextIsShortened(t *testing.T) {
	t.Parallel()
	db, service := kittest.DB(t, Migrations), newPushService(t)
	push := NewPushProvider(db, newKeys(t), "mailto:shop@sidecart.example", service.Client())
	user := shop.UserID{UUID: shop.NewID()}
	addDevices(t, db, user, service.URL+"/201/1")
	long := strings.Repeat("Сегодня ", 250) // 2000 characters, which a broadcast may have
	message := delivery.Message{Title: strings.Repeat("Ж", 150), Body: long, Job: delivery.Job{UserID: user}}
	if response, err := push.Send(t.Context(), message); err != nil || response != "1 of 1 devices" {
		t.Errorf("%q %v", response, err)
	}
	message.Title = strings.Repeat("Ж", 5000)
	if _, err := push.Send(t.Context(), message); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("a title that is too long: %v", err)
	}
}

func TestPayload(t *testing.T) {
	id := strings.Repeat("0", 36)
	for name, c := range map[string]struct{ body, begins string }{
		"short":      {"Ваш заказ оплачен", ""},
		"Cyrillic":   {strings.Repeat("ж", 2000), "жжж"},
		"emoji":      {strings.Repeat("👩", 2000), "👩👩👩"},
		"escaped":    {strings.Repeat("<", 2000), "<<<"},
		"just fits":  {strings.Repeat("a", 3800), ""},
		"ASCII":      {strings.Repeat("a", 200_000), "aaa"},
		"all blanks": {strings.Repeat(" ", 5000), ""},
	} {
		text, err := encodePayload(pushPayload{ID: id, Kind: "broadcast", Title: "t", Body: c.body})
		var got pushPayload
		if err := errors.Join(err, json.Unmarshal(text, &got)); err != nil {
			t.Fatal(err)
		}
		cut := strings.TrimSuffix(got.Body, "…")
		if len(text) > maxPayload || !utf8.ValidString(got.Body) || !strings.HasPrefix(c.body, cut) || !strings.HasPrefix(got.Body, c.begins) {
			t.Errorf("%s: %d bytes, %.40q", name, len(text), got.Body)
		}
		if c.begins == "" && name != "all blanks" && got.Body != c.body || c.begins != "" && (cut == got.Body || len(text) < maxPayload*9/10) {
			t.Errorf("%s: shortened wrongly, to %d bytes", name, len(text))
		}
	}
}
