package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Renderer renders messages.
type Renderer struct {
	db          *pgxpool.Pool
	publicURL   string
	unsubscribe preference.UnsubscribeTokens
	tracking    TrackingTokens
	fetchToken  FetchToken
}

// NewRenderer renders links that begin with publicURL.
func NewRenderer(
	db *pgxpool.Pool, publicURL string, unsubscribe preference.UnsubscribeTokens, tracking TrackingTokens, fetch FetchToken,
) *Renderer {
	return &Renderer{db, strings.TrimSuffix(publicURL, "/"), unsubscribe, tracking, fetch}
}

// Render renders the message of a job, or of the jobs of a digest, with the user's current preferences. It fails with
// ErrObsolete if there is no recipient or nothing to send any more, with deferred in quiet hours, with ErrRefused if
// the template cannot be rendered, and with errUnknownUser if the user is not known yet.
func (r *Renderer) Render(ctx context.Context, jobs []Job) (Message, error) {
	user, p, err := r.recipient(ctx, jobs[0].UserID)
	if err != nil {
		return Message{}, err
	}
	if user.Erased {
		return Message{}, fmt.Errorf("%w: the account was erased", ErrObsolete)
	}
	jobs, optedOut, err := filterWanted(jobs, p, time.Now())
	if err != nil {
		return Message{}, err
	}
	first := jobs[0]
	m := Message{ID: first.ID, MessageID: messageID(jobs), Job: first, OptedOut: optedOut}
	if m.To, err = address(first, user, p); err != nil {
		return Message{}, err
	}
	name, v, items, err := r.content(ctx, personalized(jobs, m.To, user), p.Language)
	if err != nil {
		return Message{}, permanentIfBroken(err)
	}
	if k, err := kind.Of(name); err == nil && k.Class == kind.ClassNews {
		token := "?token=" + r.unsubscribe.Sign(first.UserID, name)
		v.Unsubscribe = r.publicURL + "/unsubscribe" + token
		m.OneClick = r.publicURL + "/api/v1/notifications/unsubscribe" + token
		if p.Tracking && first.Channel == kind.Email {
			r.track(first.ID, &v, items)
		}
	}
	if len(items) > 0 {
		v = v.WithItems(items)
	}
	at := template.Selector{Kind: name, Channel: first.Channel, Language: p.Language}
	text, err := template.NewRenderer(r.db).Render(ctx, at, v)
	m.Title, m.Body, m.HTML, m.Link = text.Title, text.Body, text.HTML, v.Link
	return m, permanentIfBroken(err)
}

// content is the kind of a message and its variables: of a job, or of a digest with its items.
func (r *Renderer) content(
	ctx context.Context, jobs []Job, language template.Language,
) (name string, v template.Variables, items []template.DigestItem, err error) {
	first := jobs[0]
	if first.Priority == Digest && len(jobs) > 1 {
		items, err = r.digestItems(ctx, jobs, language)
		return kind.Digest, template.Variables{Name: first.Variables.Name, Link: r.publicURL + "/live"}, items, err
	}
	v = first.Variables
	v.Link, err = r.link(ctx, first)
	return first.Kind, v, nil, err
}

// personalized adds the user's name, which was unknown if the event was consumed before the registration. To an address
// that the user may not own it removes all that users type instead.
func personalized(jobs []Job, to string, user contact.Contact) []Job {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		if v := &jobs[i].Variables; ownsAddress(jobs[i], to, user) {
			v.Name = cmp.Or(v.Name, user.Name())
		} else {
			*v = v.WithoutTyped()
		}
	}
	return jobs
}

// ownsAddress reports whether a user has verified the address of a message. A telephone number is not verified. Kinds
// that are sent to any address have nothing that users type. Push messages go to the user's own browsers.
func ownsAddress(job Job, to string, user contact.Contact) bool {
	k, err := kind.Of(job.Kind)
	return job.Channel == kind.Push || err == nil && !k.ToAnyAddress && job.Channel == kind.Email && to == user.Verified
}

// permanentIfBroken adds ErrRefused to the errors of templates: a template that fails today fails tomorrow.
func permanentIfBroken(err error) error {
	if errors.Is(err, template.ErrBroken) || errors.Is(err, template.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func (r *Renderer) recipient(ctx context.Context, user shop.UserID) (contact.Contact, preference.Preferences, error) {
	var contacts map[shop.UserID]contact.Contact
	var preferences map[shop.UserID]preference.Preferences
	batch := &pgx.Batch{}
	contact.Queue(batch, []uuid.UUID{user.UUID}, &contacts)
	preference.Queue(batch, []uuid.UUID{user.UUID}, &preferences)
	err := r.db.SendBatch(ctx, batch).Close()
	return contacts[user], preferences[user], err
}

// filterWanted returns the jobs that the user still wants, and the ids of the others. It fails with errOptedOut if
// there is none, and with deferred in quiet hours.
func filterWanted(jobs []Job, p preference.Preferences, now time.Time) (wanted []Job, optedOut []ID, err error) {
	due := now
	for _, j := range jobs {
		k, err := kind.Of(j.Kind)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
		case !p.Wants(k, j.Channel):
			optedOut = append(optedOut, j.ID)
			continue
		}
		wanted = append(wanted, j)
		if at := p.DueAt(k, now); at.After(due) {
			due = at
		}
	}
	switch {
	case len(wanted) == 0:
		return nil, nil, errOptedOut
	case due.After(now):
		return nil, nil, deferred{due}
	}
	return wanted, optedOut, nil
}

// track adds the tracking pixel, and replaces links by tracked ones. A digest is opened and followed as a whole: all
// its links have the id of the first job.
func (r *Renderer) track(id ID, v *template.Variables, items []template.DigestItem) {
	v.Pixel = r.publicURL + "/api/v1/notifications/opened?token=" + r.tracking.Sign(id, "")
	v.Link = r.trackedLink(id, v.Link)
	for i := range items {
		items[i].Link = r.trackedLink(id, items[i].Link)
	}
}

func (r *Renderer) trackedLink(id ID, link string) string {
	path := strings.TrimPrefix(link, r.publicURL)
	if path == "" {
		return ""
	}
	return r.publicURL + "/api/v1/notifications/clicked?token=" + r.tracking.Sign(id, path)
}

// messageID is the Message-ID of an e-mail. A digest that has other items after a crash is another e-mail.
func messageID(jobs []Job) uuid.UUID {
	if len(jobs) == 1 {
		return jobs[0].ID.UUID
	}
	var ids []byte
	for _, j := range jobs {
		ids = append(ids, j.ID.UUID[:]...)
	}
	return uuid.NewSHA1(jobs[0].ID.UUID, ids)
}

// address is the number or e-mail address of a job. The provider of push looks up the devices itself.
func address(job Job, user contact.Contact, p preference.Preferences) (string, error) {
	switch job.Channel {
	case kind.SMS:
		if p.Phone == "" {
			return "", fmt.Errorf("%w: the user has no phone number", ErrObsolete)
		}
		return p.Phone, nil
	case kind.Email:
		to := job.Address
		if to == "" {
			to = user.Email
		}
		switch {
		case to == "" && !user.Known():
			return "", errUnknownUser
		case to == "":
			return "", fmt.Errorf("%w: the user has no e-mail address", ErrObsolete)
		}
		if parsed, err := mail.ParseAddress(to); err != nil || parsed.Address != to || strings.ContainsAny(to, ";,\r\n") {
			return "", fmt.Errorf("%w: invalid e-mail address", ErrRefused)
		}
		return to, nil
	default:
		return "", nil
	}
}

// link is the link of a job, with a new token if it needs one.
func (r *Renderer) link(ctx context.Context, job Job) (string, error) {
	if job.RequestID == nil {
		if job.Path == "" {
			return "", nil
		}
		return r.publicURL + job.Path, nil
	}
	token, err := r.fetchToken(ctx, *job.RequestID)
	switch f := fault.Of(err); {
	case err == nil:
		return r.publicURL + job.Path + "?token=" + url.QueryEscape(token), nil
	case f.Kind == fault.NotFound || f.Kind == fault.Conflict:
		return "", fmt.Errorf("%w: the link was used, replaced or has expired", ErrObsolete)
	}
	return "", err
}

// digestItems are the inbox texts of the jobs of a digest, with their links.
func (r *Renderer) digestItems(
	ctx context.Context, jobs []Job, language template.Language,
) (items []template.DigestItem, err error) {
	texts := template.NewRenderer(r.db)
	for _, j := range jobs {
		text, err := texts.Render(ctx, template.Selector{Kind: j.Kind, Channel: kind.InApp, Language: language}, j.Variables)
		if err != nil {
			return nil, err
		}
		link, err := r.link(ctx, j)
		if err != nil {
			return nil, err
		}
		items = append(items, template.DigestItem{Title: text.Title, Body: text.Body, Link: link})
	}
	return items, nil
}
