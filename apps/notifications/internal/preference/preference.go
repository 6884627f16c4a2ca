// Package preference stores how users want to be notified: kinds, channels, quiet hours and language.
package preference

import (
	"maps"
	"regexp"
	"time"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/linktoken"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// ErrInvalidLink refuses a token that the platform did not sign.
var ErrInvalidLink = fault.New(fault.NotFound, "unsubscribe_link_invalid", "the link is invalid or incomplete")

// Digest is how news are sent by e-mail.
type Digest string

// Off sends each news as an e-mail; Daily sends those of a day as one e-mail in the morning.
const (
	Off   Digest = "off"
	Daily Digest = "daily"
)

// digestHour is when digests are sent, in the user's time zone. No time zone changes its clocks at that hour.
const digestHour = 8

// QuietHours are a part of each day, such as 22:00 to 07:00 in the user's time zone, in which only urgent kinds are
// sent. Equal or empty ends are no quiet hours.
type QuietHours struct {
	From  string `json:"from" validate:"omitempty,datetime=15:04"`
	Until string `json:"until" validate:"omitempty,datetime=15:04"`
}

// Preferences are how a user wants to be notified.
type Preferences struct {
	UserID     shop.UserID       `json:"-"`
	Language   template.Language `json:"language"`
	TimeZone   string            `json:"time_zone"` // of the IANA database, Europe/Berlin
	QuietHours QuietHours        `json:"quiet_hours"`
	Digest     Digest            `json:"digest"`
	Phone      string            `json:"phone"` // for SMS, +491701234567
	// Tracking allows to count when e-mails with news are opened and which links are followed.
	Tracking bool `json:"tracking"`
	// Kinds has for each kind the channels, and whether each is on.
	Kinds map[string]map[kind.Channel]bool `json:"kinds"`
}

// defaults are the preferences of a user who has not set any.
func defaults(user shop.UserID) Preferences {
	p := Preferences{
		UserID: user, Language: template.Languages[0], TimeZone: "UTC", Digest: Off,
		Kinds: map[string]map[kind.Channel]bool{},
	}
	for _, k := range kind.All {
		p.Kinds[k.Name] = map[kind.Channel]bool{}
		for _, c := range k.Channels {
			p.Kinds[k.Name][c] = k.Default(c)
		}
	}
	return p
}

// Wants is whether the user is notified of a kind on a channel.
func (p Preferences) Wants(k kind.Kind, c kind.Channel) bool { return p.Kinds[k.Name][c] }

// DueAt is when a notification may be sent: now, or at the end of the quiet hours. It checks each following minute in
// the user's time zone, because when clocks change an hour is repeated or skipped.
func (p Preferences) DueAt(k kind.Kind, now time.Time) time.Time {
	from, until, ok := p.quietMinutes()
	if !ok || k.Urgent() {
		return now
	}
	zone, at := p.zone(), now
	for inQuietHours(from, until, at.In(zone)) {
		at = at.Truncate(time.Minute).Add(time.Minute)
	}
	return at
}

// inQuietHours takes from and until in minutes after midnight.
func inQuietHours(from, until int, clock time.Time) bool {
	minute := clock.Hour()*60 + clock.Minute()
	if from > until { // over midnight
		return minute >= from || minute < until
	}
	return minute >= from && minute < until
}

// DigestDueAt is when the next digest may be sent.
func (p Preferences) DigestDueAt(k kind.Kind, now time.Time) time.Time {
	local := now.In(p.zone())
	at := time.Date(local.Year(), local.Month(), local.Day(), digestHour, 0, 0, 0, local.Location())
	if !at.After(local) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, digestHour, 0, 0, 0, local.Location())
	}
	return p.DueAt(k, at)
}

// quietMinutes are the quiet hours in minutes after midnight; ok is false without quiet hours.
func (p Preferences) quietMinutes() (from, until int, ok bool) {
	f, errF := time.Parse("15:04", p.QuietHours.From)
	u, errU := time.Parse("15:04", p.QuietHours.Until)
	if errF != nil || errU != nil {
		return 0, 0, false
	}
	from, until = f.Hour()*60+f.Minute(), u.Hour()*60+u.Minute()
	return from, until, from != until
}

func (p Preferences) zone() *time.Location {
	zone, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// PreferencesUpdate updates preferences; fields that are left out keep their value.
type PreferencesUpdate struct {
	Language   *template.Language               `json:"language" validate:"omitempty,oneof=en de es" example:"en"`
	TimeZone   *string                          `json:"time_zone" validate:"omitempty,max=64"`
	QuietHours *QuietHours                      `json:"quiet_hours"`
	Digest     *Digest                          `json:"digest" validate:"omitempty,oneof=off daily" example:"daily"`
	Phone      *string                          `json:"phone" validate:"omitempty,max=16"`
	Tracking   *bool                            `json:"tracking"`
	Kinds      map[string]map[kind.Channel]bool `json:"kinds" validate:"max=100"`
}

// e164 matches an international phone number.
var e164 = regexp.MustCompile(`^\+[1-9]\d{6,14}$`)

// apply fails with fault.ErrInvalid naming all invalid fields.
func (p Preferences) apply(u PreferencesUpdate) (Preferences, error) {
	web.Apply(&p.Language, u.Language)
	web.Apply(&p.TimeZone, u.TimeZone)
	web.Apply(&p.QuietHours, u.QuietHours)
	web.Apply(&p.Digest, u.Digest)
	web.Apply(&p.Phone, u.Phone)
	web.Apply(&p.Tracking, u.Tracking)
	bad := fault.ErrInvalid
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "" || p.TimeZone == "Local" {
		bad = bad.With("time_zone", "must be a time zone like Europe/Berlin")
	}
	if (p.QuietHours.From == "") != (p.QuietHours.Until == "") {
		bad = bad.With("quiet_hours", "must have both from and until, or neither")
	}
	if p.Phone != "" && !e164.MatchString(p.Phone) {
		bad = bad.With("phone", "must be a number like +491701234567")
	}
	bad = p.applyKinds(u.Kinds, bad)
	if len(bad.Fields) > 0 {
		return p, bad
	}
	return p, nil
}

// applyKinds changes p.Kinds, and adds to bad what is invalid.
func (p Preferences) applyKinds(kinds map[string]map[kind.Channel]bool, bad *fault.Error) *fault.Error {
	for name, channels := range kinds {
		if _, err := kind.Of(name); err != nil && len(channels) == 0 {
			bad = bad.With("kinds."+name, "is not a kind")
		}
		for channel, on := range channels {
			field := "kinds." + name + "." + string(channel)
			k, err := kind.Of(name)
			switch {
			case err != nil || !k.Has(channel) || p.Kinds[name] == nil:
				bad = bad.With(field, "is not a kind with this channel")
				continue
			case !k.Optional() && !on:
				bad = bad.With(field, "is about the security of the account and cannot be turned off")
				continue
			}
			p.Kinds[name] = maps.Clone(p.Kinds[name])
			p.Kinds[name][channel] = on
		}
	}
	return bad
}

// UnsubscribeTokens signs and verifies the tokens of unsubscribe links: a user and a kind.
type UnsubscribeTokens struct{ linktoken.Signer }

// NewUnsubscribeTokens signs with a key.
func NewUnsubscribeTokens(key string) UnsubscribeTokens {
	return UnsubscribeTokens{linktoken.New(key, "unsubscribe")}
}

// Sign makes the token that unsubscribes a user from a kind.
func (t UnsubscribeTokens) Sign(user shop.UserID, kindName string) string {
	return t.Signer.Sign(user.UUID, kindName)
}

// Verify returns the user and the kind of a token. It fails with ErrInvalidLink.
func (t UnsubscribeTokens) Verify(token string) (user shop.UserID, k kind.Kind, err error) {
	id, name, ok := t.Signer.Verify(token)
	if k, err = kind.Of(name); !ok || err != nil || !k.Optional() {
		return user, k, ErrInvalidLink
	}
	return shop.UserID{UUID: id}, k, nil
}
