package device

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
)

func TestCheckContact(t *testing.T) {
	for contact, valid := range map[string]bool{
		"mailto:shop@sidecart.example":     true,
		"https://shop.example.com/contact": true,
		"shop@sidecart.example":            false,
		"mailto:":                          false,
		"mailto:shop":                      false,
		"mailto:Shop <shop@example.com>":   false,
		"http://shop.example.com":          false,
		"https://":                         false,
		"":                                 false,
	} {
		if err := CheckContact(contact); (err == nil) != valid {
			t.Errorf("%q: %v", contact, err)
		}
	}
}

// TestPushNamesTheContact reads the claim that push services read (RFC 8292, section 2.1).
func TestPushNamesTheContact(t *testing.T) {
	t.Parallel()
	var authorization string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(service.Close)
	db, user := kittest.DB(t, Migrations), shop.UserID{UUID: shop.NewID()}
	addDevices(t, db, user, service.URL)
	for _, contact := range []string{"mailto:owner@shop.example", "https://shop.example/contact"} {
		push := NewPushProvider(db, newKeys(t), contact, service.Client())
		if _, err := push.Send(t.Context(), delivery.Message{Title: "x", Job: delivery.Job{UserID: user}}); err != nil {
			t.Fatal(err)
		}
		token, _, _ := strings.Cut(strings.TrimPrefix(authorization, "vapid t="), ",")
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		var claim struct{ Sub string }
		if err != nil || json.Unmarshal(claims, &claim) != nil || claim.Sub != contact {
			t.Errorf("%v: the contact is %q, want %q", err, claim.Sub, contact)
		}
	}
}
