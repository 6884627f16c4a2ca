package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
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

// Renderer makes letters.
type Renderer struct {
	db          *pgxpool.Pool
	publicURL   string
	unsubscribe preference.UnsubscribeTokens
	tracking    TrackingTokens
	fetchToken  FetchToken
}

// NewRenderer makes letters whose links begin with the public address of the platform.
func NewRenderer(db *pgxpool.Pool, publicURL string, links preference.UnsubscribeTokens, tracks TrackingTokens, token FetchToken) *Renderer {
	return &Renderer{db: db, publicURL: strings.TrimSuffix(publicURL, "/"), unsubscribe: links, tracking: tracks, fetchToken: token}
}

// Render makes the letter of one delivery, or of a digest, for what its reader wants by now. It fails with ErrNeedless if there is
// nobody to send it to or nothing to say any more, with held in quiet hours, with ErrRefused if its template cannot be filled, with
// errUnknown if it cannot be said yet who it is for.
func (c *Renderer) Render(ctx context.Context, all []Job) (Message, error) {
	reader, wants, err := c.recipient(ctx, all[0].UserID)
	if err != nil {
		return Message{}, err
	}
	if reader.Erased {
		return Message{}, fmt.Errorf("%w: the account was erased", ErrObsolete)
	}
	all, unwanted, err := filterWanted(all, wants, time.Now())
	if err != nil {
		return Message{}, err
	}
	d := all[0]
	l := Message{ID: d.ID, MessageID: messageID(all), Job: d, OptedOut: unwanted}
	if l.To, err = address(d, reader, wants); err != nil {
		return Message{}, err
	}
	name, facts := d.Kind, d.Variables
	var news []template.DigestItem
	if d.Priority == Digest && len(all) > 1 {
		name, facts = kind.Digest, template.Variables{Name: facts.Name, Link: c.publicURL + "/live"}
		if news, err = c.digestItems(ctx, all, wants.Language); err != nil {
			return Message{}, permanentIfBroken(err)
		}
	} else if facts.Link, err = c.link(ctx, d); err != nil {
		return Message{}, err
	}
	if k, err := kind.Of(name); err == nil && k.Class == kind.News {
		token := "?token=" + c.unsubscribe.Sign(d.UserID, name)
		facts.Unsubscribe, l.OneClick = c.publicURL+"/unsubscribe"+token, c.publicURL+"/api/v1/notifications/unsubscribe"+token
		if wants.Tracking && d.Channel == kind.Email {
			facts.Pixel = c.publicURL + "/api/v1/notifications/opened?token=" + c.tracking.Sign(d.ID, "")
			facts.Link = c.trackedLink(d.ID, facts.Link)
			for i := range news {
				news[i].Link = c.trackedLink(d.ID, news[i].Link)
			}
		}
	}
	if len(news) > 0 {
		facts = facts.WithItems(news)
	}
	text, err := template.Write(ctx, c.db, name, d.Channel, wants.Language, facts)
	l.Title, l.Body, l.HTML, l.Link, l.Unsubscribe = text.Title, text.Body, text.HTML, facts.Link, facts.Unsubscribe
	return l, permanentIfBroken(err)
}

// permanentIfBroken sorts what a text could not be made for: a template that does not work today does not tomorrow.
func permanentIfBroken(err error) error {
	if errors.Is(err, template.ErrBroken) || errors.Is(err, template.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// recipient is whom a letter is for, and how they want to be told now.
func (c *Renderer) recipient(ctx context.Context, user shop.UserID) (contact.Contact, preference.Preferences, error) {
	var readers map[shop.UserID]contact.Contact
	var preferences map[shop.UserID]preference.Preferences
	known := &pgx.Batch{}
	contact.Queue(known, []uuid.UUID{user.UUID}, &readers)
	preference.Queue(known, []uuid.UUID{user.UUID}, &preferences)
	err := c.db.SendBatch(ctx, known).Close()
	return readers[user], preferences[user], err
}

// filterWanted are those of several deliveries that their reader wants by now, which may be less than when they were planned. It fails
// with ErrNeedless if that is none, and with held if it is not now.
func filterWanted(all []Job, wants preference.Preferences, now time.Time) (some []Job, unwanted []ID, err error) {
	at := now
	for _, d := range all {
		k, err := kind.Of(d.Kind)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
		case !wants.Wants(k, d.Channel):
			unwanted = append(unwanted, d.ID)
			continue
		}
		some = append(some, d)
		if until := wants.DueAt(k, now); until.After(at) {
			at = until
		}
	}
	switch {
	case len(some) == 0:
		return nil, nil, errOptedOut
	case at.After(now):
		return nil, nil, deferred{at}
	}
	return some, unwanted, nil
}

// trackedLink is a link that tells that it is followed. A digest's are all the first delivery's: it is opened, and followed, as a whole.
func (c *Renderer) trackedLink(id ID, link string) string {
	path := strings.TrimPrefix(link, c.publicURL)
	if path == "" {
		return ""
	}
	return c.publicURL + "/api/v1/notifications/clicked?token=" + c.tracking.Sign(id, path)
}

// messageID is what a mail is known by. A digest that carries other news than before, after a crash, is another mail.
func messageID(all []Job) uuid.UUID {
	if len(all) == 1 {
		return all[0].ID.UUID
	}
	var together []byte
	for _, d := range all {
		together = append(together, d.ID.UUID[:]...)
	}
	return uuid.NewSHA1(all[0].ID.UUID, together)
}

// address is where a letter goes; for a push it is looked up by whoever sends it.
func address(d Job, reader contact.Contact, wants preference.Preferences) (string, error) {
	switch d.Channel {
	case kind.SMS:
		if wants.Phone == "" {
			return "", fmt.Errorf("%w: no number is known", ErrObsolete)
		}
		return wants.Phone, nil
	case kind.Email:
		to := d.Address
		if to == "" {
			to = reader.Email
		}
		switch {
		case to == "" && !reader.Known():
			return "", errUnknownUser
		case to == "":
			return "", fmt.Errorf("%w: no address is known", ErrObsolete)
		}
		if parsed, err := mail.ParseAddress(to); err != nil || parsed.Address != to || strings.ContainsAny(to, ";,\r\n") {
			return "", fmt.Errorf("%w: that is no address", ErrRefused)
		}
		return to, nil
	default:
		return "", nil
	}
}

// link is where a letter leads. Where it carries a key to the account, that is asked for now: it rests nowhere before.
func (c *Renderer) link(ctx context.Context, d Job) (string, error) {
	if d.RequestID == nil {
		if d.Path == "" {
			return "", nil
		}
		return c.publicURL + d.Path, nil
	}
	key, err := c.fetchToken(ctx, *d.RequestID)
	switch f := fault.Of(err); {
	case err == nil:
		return c.publicURL + d.Path + "?token=" + url.QueryEscape(key), nil
	case f.Kind == fault.NotFound || f.Kind == fault.Conflict:
		return "", fmt.Errorf("%w: the link was used, replaced or is too old", ErrObsolete)
	}
	return "", err
}

// digestItems is what the inbox says of several news, with where they lead.
func (c *Renderer) digestItems(ctx context.Context, all []Job, language template.Language) (news []template.DigestItem, err error) {
	texts := template.NewRenderer(c.db)
	for _, d := range all {
		text, err := texts.Render(ctx, d.Kind, kind.InApp, language, d.Variables)
		if err != nil {
			return nil, err
		}
		link, err := c.link(ctx, d)
		if err != nil {
			return nil, err
		}
		news = append(news, template.DigestItem{Title: text.Title, Body: text.Body, Link: link})
	}
	return news, nil
}
