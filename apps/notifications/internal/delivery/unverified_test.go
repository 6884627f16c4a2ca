package delivery

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/shop"
)

// typed has what a user can type in each variable of a message.
var typed = template.Variables{
	Name: "Win-500-Name", Username: "Win-500-Username", Device: "Win-500-Device", Reason: "Win-500-Reason",
	Number: "SC-1", Goods: "1 × Case", Total: "5.00", Currency: "USD", Address: "203.0.113.7", Until: "2026-01-02 15:04 UTC",
	Product: "Case", SKU: "C-1", Available: "1", Threshold: "2", Title: "News", Text: "Of the shop",
}

// TestMailToUnverifiedAddresses: nothing that a user typed is sent to an address that the user may not own, in any kind
// and language, also with a template of an earlier release that names it.
func TestMailToUnverifiedAddresses(t *testing.T) {
	t.Parallel()
	db := database(t)
	token := func(context.Context, uuid.UUID) (string, error) { return "a-token", nil }
	r := NewRenderer(db, "https://shop.example.com", unsubscribeTokens, NewTrackingTokens("key"), token)
	user := shop.UserID{UUID: shop.NewID()}
	inTx(t, db, func(tx pgx.Tx) error {
		return contact.Register(t.Context(), tx, contact.Contact{
			UserID: user, Email: "other@example.com", Username: typed.Username, FullName: typed.Name,
		})
	})
	render := func(k kind.Kind, channel kind.Channel) string {
		t.Helper()
		request := uuid.New()
		job := Job{ID: ID{shop.NewID()}, UserID: user, Kind: k.Name, Channel: channel, Variables: typed, Path: "/live", RequestID: &request}
		m, err := r.Render(t.Context(), []Job{job})
		if err != nil {
			t.Fatalf("%s %s: %v", k.Name, channel, err)
		}
		return strings.Join([]string{m.To, m.Title, m.Body, m.HTML, m.Link, m.OneClick}, "\n")
	}
	for _, language := range template.Languages {
		updatePreferences(t, db, user, preference.PreferencesUpdate{Language: &language, Phone: ptr("+491701234567"), Kinds: smsOn()})
		verifyAddress(t, db, user, "")
		for _, k := range kind.All {
			for _, channel := range []kind.Channel{kind.Email, kind.SMS} {
				if k.Has(channel) {
					if text := render(k, channel); strings.Contains(text, "Win-500") || strings.Contains(text, " ,") {
						t.Errorf("%s %s %s to an unverified address:\n%s", k.Name, channel, language, text)
					}
				}
			}
		}
		verifyAddress(t, db, user, "other@example.com")
		for _, k := range kind.All {
			if k.Has(kind.Email) && strings.Contains(render(k, kind.Email), "Win-500-Name") == k.ToAnyAddress {
				t.Errorf("%s %s to the verified address: %s", k.Name, language, render(k, kind.Email))
			}
		}
	}
	old := template.TemplateText{Title: "T{{.Name}}", Body: "B{{.Username}}", HTML: "H{{.Name}}{{.Username}}{{.Device}}"}
	updatePreferences(t, db, user, preference.PreferencesUpdate{Language: ptr(template.English)})
	for _, k := range []string{kind.Verification, kind.PasswordReset, kind.NewDevice} {
		verifyAddress(t, db, user, "another@example.com")
		storeTemplate(t, db, k, kind.Email, old)
		of, _ := kind.Of(k)
		if text := render(of, kind.Email); strings.Contains(text, "Win-500") || !strings.Contains(text, "\nT\nB\n") {
			t.Errorf("%s with an old template:\n%s", k, text)
		}
	}
}

// TestDigestToAnUnverifiedAddress has no typed text in its items either.
func TestDigestToAnUnverifiedAddress(t *testing.T) {
	t.Parallel()
	db := database(t)
	r := NewRenderer(db, "https://shop.example.com", unsubscribeTokens, NewTrackingTokens("key"), noToken)
	user := newUser(t, db, "other")
	storeTemplate(t, db, kind.StockBack, kind.InApp, template.TemplateText{Title: "{{.Product}} for {{.Name}}", Body: "b"})
	var jobs []Job
	for range 2 {
		jobs = append(jobs, Job{ID: ID{shop.NewID()}, UserID: user, Kind: kind.StockBack, Channel: kind.Email, Priority: Digest, Variables: typed})
	}
	for verified, want := range map[string]bool{"": false, "other@example.com": true} {
		verifyAddress(t, db, user, verified)
		m, err := r.Render(t.Context(), jobs)
		if err != nil || strings.Contains(m.Title+m.Body+m.HTML, "Win-500") != want {
			t.Errorf("verified %q: %v\n%s", verified, err, m.Body)
		}
	}
}

func smsOn() map[string]map[kind.Channel]bool {
	on := map[string]map[kind.Channel]bool{}
	for _, k := range kind.All {
		if k.Has(kind.SMS) {
			on[k.Name] = map[kind.Channel]bool{kind.SMS: true}
		}
	}
	return on
}

// storeTemplate stores an English template without its validation, as an earlier release may have.
func storeTemplate(t *testing.T, db *pgxpool.Pool, kindName string, channel kind.Channel, text template.TemplateText) {
	t.Helper()
	_, err := db.Exec(t.Context(), `
		insert into templates (kind, channel, language, version, title, body, html, changed_by)
		values ($1, $2, 'en', 1, $3, $4, $5, $6)`, kindName, channel, text.Title, text.Body, text.HTML, shop.NewID())
	if err != nil {
		t.Fatal(err)
	}
}
