// Package preference is how people want to be told: of which kinds, on which channels, when, and in which language.
package preference

import (
	"maps"
	"time"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/linktoken"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// ErrInvalidLink refuses an unsubscribe link that is not one of ours.
var ErrInvalidLink = fault.New(fault.NotFound, "unsubscribe_link_invalid", "this link is not one of ours, or not whole")

// Digest says how news reach somebody by e-mail.
type Digest string

// Either each by itself, or all of a day together in the morning.
const (
	Off   Digest = "off"
	Daily Digest = "daily"
)

// digestHour is when a day's digest is sent, in hours after midnight in the reader's time zone: no clock is changed at that time.
const digestHour = 8

// QuietHours are a part of each day in which nothing is sent but what is urgent, "22:00" to "07:00" in the time zone of
// the preferences. Equal ends, or none, are no quiet hours.
type QuietHours struct {
	From  string `json:"from" validate:"omitempty,datetime=15:04"`
	Until string `json:"until" validate:"omitempty,datetime=15:04"`
}

// Preferences are how somebody wants to be told.
type Preferences struct {
	UserID     shop.UserID       `json:"-"`
	Language   template.Language `json:"language"`
	TimeZone   string            `json:"time_zone"` // of the IANA database, Europe/Berlin
	QuietHours QuietHours        `json:"quiet_hours"`
	Digest     Digest            `json:"digest"`
	Phone      string            `json:"phone"` // for SMS, +491701234567
	// Tracking says whether mails with news may tell that they are opened and which link is followed. Nobody's do unasked.
	Tracking bool `json:"tracking"`
	// Kinds says of each kind on which channels it is told.
	Kinds map[string]map[kind.Channel]bool `json:"kinds"`
}

// defaults are the preferences of who never said any.
func defaults(user shop.UserID) Preferences {
	p := Preferences{UserID: user, Language: template.Languages[0], TimeZone: "UTC", Digest: Off, Kinds: map[string]map[kind.Channel]bool{}}
	for _, k := range kind.All {
		p.Kinds[k.Name] = map[kind.Channel]bool{}
		for _, c := range k.Channels {
			p.Kinds[k.Name][c] = k.Default(c)
		}
	}
	return p
}

// Wants says whether somebody is told of a kind on a channel.
func (p Preferences) Wants(k kind.Kind, c kind.Channel) bool { return p.Kinds[k.Name][c] }

// DueAt is the moment from which something may be sent: now, or the end of the quiet hours. It looks at each minute that comes as clocks
// show it, because in some nights an hour comes twice or is left out, and in the second the hours may be quiet again.
func (p Preferences) DueAt(k kind.Kind, now time.Time) time.Time {
	from, until, any := p.quiet()
	if !any || k.Urgent() {
		return now
	}
	zone, at := p.zone(), now
	for inQuietHours(from, until, at.In(zone)) {
		at = at.Truncate(time.Minute).Add(time.Minute)
	}
	return at
}

// inQuietHours says whether a clock is between two times of a day, in minutes after midnight.
func inQuietHours(from, until int, clock time.Time) bool {
	minute := clock.Hour()*60 + clock.Minute()
	if from > until { // over midnight
		return minute >= from || minute < until
	}
	return minute >= from && minute < until
}

// DigestDueAt is when the next digest is sent.
func (p Preferences) DigestDueAt(k kind.Kind, now time.Time) time.Time {
	local := now.In(p.zone())
	at := time.Date(local.Year(), local.Month(), local.Day(), digestHour, 0, 0, 0, local.Location())
	if !at.After(local) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, digestHour, 0, 0, 0, local.Location())
	}
	return p.DueAt(k, at)
}

func (p Preferences) quiet() (from, until int, any bool) {
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

// PreferencesUpdate is what somebody says about their preferences; what is left out stays as it is.
type PreferencesUpdate struct {
	Language   *template.Language               `json:"language" validate:"omitempty,oneof=en de es" example:"en"`
	TimeZone   *string                          `json:"time_zone" validate:"omitempty,max=64"`
	QuietHours *QuietHours                      `json:"quiet_hours"`
	Digest     *Digest                          `json:"digest" validate:"omitempty,oneof=off daily" example:"daily"`
	Phone      *string                          `json:"phone" validate:"omitempty,max=16"`
	Tracking   *bool                            `json:"tracking"`
	Kinds      map[string]map[kind.Channel]bool `json:"kinds" validate:"max=100"`
}

// apply makes a change. It fails with fault.ErrInvalid naming all that cannot be.
func (p Preferences) apply(c PreferencesUpdate) (Preferences, error) {
	web.Apply(&p.Language, c.Language)
	web.Apply(&p.TimeZone, c.TimeZone)
	web.Apply(&p.QuietHours, c.QuietHours)
	web.Apply(&p.Digest, c.Digest)
	web.Apply(&p.Phone, c.Phone)
	web.Apply(&p.Tracking, c.Tracking)
	bad := fault.ErrInvalid
	if _, err := time.LoadLocation(p.TimeZone); err != nil || p.TimeZone == "" || p.TimeZone == "Local" {
		bad = bad.With("time_zone", "must be a time zone like Europe/Berlin")
	}
	if (p.QuietHours.From == "") != (p.QuietHours.Until == "") {
		bad = bad.With("quiet_hours", "needs both from and until, or neither")
	}
	if p.Phone != "" && !isE164(p.Phone) {
		bad = bad.With("phone", "must be a number like +491701234567")
	}
	for name, channels := range c.Kinds {
		for channel, wanted := range channels {
			at := "kinds." + name + "." + string(channel)
			k, err := kind.Of(name)
			switch {
			case err != nil || !k.Has(channel) || p.Kinds[name] == nil:
				bad = bad.With(at, "is not told that way")
				continue
			case !k.Optional() && !wanted:
				bad = bad.With(at, "is about the safety of the account and cannot be turned off")
				continue
			}
			p.Kinds[name] = maps.Clone(p.Kinds[name])
			p.Kinds[name][channel] = wanted
		}
	}
	if len(bad.Fields) > 0 {
		return p, bad
	}
	return p, nil
}

// isE164 says whether a text is a telephone number as E.164 writes it.
func isE164(number string) bool {
	if len(number) < 8 || number[0] != '+' || number[1] == '0' {
		return false
	}
	for _, r := range number[1:] {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

// UnsubscribeTokens makes and reads the tokens of unsubscribe links: whom and which kind they are about.
type UnsubscribeTokens struct{ linktoken.Signer }

// NewUnsubscribeTokens makes links that are sealed with a key.
func NewUnsubscribeTokens(key string) UnsubscribeTokens {
	return UnsubscribeTokens{linktoken.New(key, "unsubscribe")}
}

// Sign is what ends a kind for somebody.
func (l UnsubscribeTokens) Sign(user shop.UserID, kindName string) string {
	return l.Signer.Sign(user.UUID, kindName)
}

// Verify is whom and what a token is about. It fails with ErrLink.
func (l UnsubscribeTokens) Verify(token string) (user shop.UserID, k kind.Kind, err error) {
	id, name, ok := l.Signer.Verify(token)
	if k, err = kind.Of(name); !ok || err != nil || !k.Optional() {
		return user, k, ErrInvalidLink
	}
	return shop.UserID{UUID: id}, k, nil
}
