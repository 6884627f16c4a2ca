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

// Composer makes letters.
type Composer struct {
	db        *pgxpool.Pool
	publicURL string
	links     preference.Links
	tracks    Tracks
	token     TokenFor
}

// NewComposer makes letters whose links begin with the public address of the platform.
func NewComposer(db *pgxpool.Pool, publicURL string, links preference.Links, tracks Tracks, token TokenFor) *Composer {
	return &Composer{db: db, publicURL: strings.TrimSuffix(publicURL, "/"), links: links, tracks: tracks, token: token}
}

// Compose makes the letter of one delivery, or of a digest, for what its reader wants by now. It fails with ErrNeedless if there is
// nobody to send it to or nothing to say any more, with held in quiet hours, with ErrRefused if its template cannot be filled, with
// errUnknown if it cannot be said yet who it is for.
func (c *Composer) Compose(ctx context.Context, all []Delivery) (Letter, error) {
	reader, wants, err := c.reader(ctx, all[0].UserID)
	if err != nil {
		return Letter{}, err
	}
	if reader.Erased {
		return Letter{}, fmt.Errorf("%w: the account was erased", ErrNeedless)
	}
	all, unwanted, err := wanted(all, wants, time.Now())
	if err != nil {
		return Letter{}, err
	}
	d := all[0]
	l := Letter{ID: d.ID, MailID: mailID(all), Delivery: d, Unwanted: unwanted}
	if l.To, err = address(d, reader, wants); err != nil {
		return Letter{}, err
	}
	name, facts := d.Kind, d.Facts
	var news []template.News
	if d.Lane == Digest && len(all) > 1 {
		name, facts = kind.Digest, template.Facts{Name: facts.Name, Link: c.publicURL + "/live"}
		if news, err = c.gather(ctx, all, wants.Language); err != nil {
			return Letter{}, unwritable(err)
		}
	} else if facts.Link, err = c.link(ctx, d); err != nil {
		return Letter{}, err
	}
	if k, err := kind.Of(name); err == nil && k.Class == kind.News {
		token := "?token=" + c.links.Token(d.UserID, name)
		facts.Unsubscribe, l.OneClick = c.publicURL+"/unsubscribe"+token, c.publicURL+"/api/v1/notifications/unsubscribe"+token
		if wants.Tracking && d.Channel == kind.Email {
			facts.Pixel = c.publicURL + "/api/v1/notifications/opened?token=" + c.tracks.Token(d.ID, "")
			facts.Link = c.counted(d.ID, facts.Link)
			for i := range news {
				news[i].Link = c.counted(d.ID, news[i].Link)
			}
		}
	}
	if len(news) > 0 {
		facts = facts.Gathering(news)
	}
	text, err := template.Write(ctx, c.db, name, d.Channel, wants.Language, facts)
	l.Title, l.Body, l.HTML, l.Link, l.Unsubscribe = text.Title, text.Body, text.HTML, facts.Link, facts.Unsubscribe
	return l, unwritable(err)
}

// unwritable sorts what a text could not be made for: a template that does not work today does not tomorrow.
func unwritable(err error) error {
	if errors.Is(err, template.ErrBroken) || errors.Is(err, template.ErrNotFound) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// reader is whom a letter is for, and how they want to be told now.
func (c *Composer) reader(ctx context.Context, user shop.UserID) (contact.Contact, preference.Preferences, error) {
	var readers map[shop.UserID]contact.Contact
	var preferences map[shop.UserID]preference.Preferences
	known := &pgx.Batch{}
	contact.Queue(known, []uuid.UUID{user.UUID}, &readers)
	preference.Queue(known, []uuid.UUID{user.UUID}, &preferences)
	err := c.db.SendBatch(ctx, known).Close()
	return readers[user], preferences[user], err
}

// wanted are those of several deliveries that their reader wants by now, which may be less than when they were planned. It fails
// with ErrNeedless if that is none, and with held if it is not now.
func wanted(all []Delivery, wants preference.Preferences, now time.Time) (some []Delivery, unwanted []ID, err error) {
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
		if until := wants.At(k, now); until.After(at) {
			at = until
		}
	}
	switch {
	case len(some) == 0:
		return nil, nil, errUnwanted
	case at.After(now):
		return nil, nil, held{at}
	}
	return some, unwanted, nil
}

// counted is a link that tells that it is followed. A digest's are all the first delivery's: it is opened, and followed, as a whole.
func (c *Composer) counted(id ID, link string) string {
	path := strings.TrimPrefix(link, c.publicURL)
	if path == "" {
		return ""
	}
	return c.publicURL + "/api/v1/notifications/clicked?token=" + c.tracks.Token(id, path)
}

// mailID is what a mail is known by. A digest that carries other news than before, after a crash, is another mail.
func mailID(all []Delivery) uuid.UUID {
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
func address(d Delivery, reader contact.Contact, wants preference.Preferences) (string, error) {
	switch d.Channel {
	case kind.SMS:
		if wants.Phone == "" {
			return "", fmt.Errorf("%w: no number is known", ErrNeedless)
		}
		return wants.Phone, nil
	case kind.Email:
		to := d.Address
		if to == "" {
			to = reader.Email
		}
		switch {
		case to == "" && !reader.Known():
			return "", errUnknown
		case to == "":
			return "", fmt.Errorf("%w: no address is known", ErrNeedless)
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
func (c *Composer) link(ctx context.Context, d Delivery) (string, error) {
	if d.RequestID == nil {
		if d.Path == "" {
			return "", nil
		}
		return c.publicURL + d.Path, nil
	}
	key, err := c.token(ctx, *d.RequestID)
	switch f := fault.Of(err); {
	case err == nil:
		return c.publicURL + d.Path + "?token=" + url.QueryEscape(key), nil
	case f.Kind == fault.NotFound || f.Kind == fault.Conflict:
		return "", fmt.Errorf("%w: the link was used, replaced or is too old", ErrNeedless)
	}
	return "", err
}

// gather is what the inbox says of several news, with where they lead.
func (c *Composer) gather(ctx context.Context, all []Delivery, language template.Language) (news []template.News, err error) {
	texts := template.NewWriter(c.db)
	for _, d := range all {
		text, err := texts.Write(ctx, d.Kind, kind.InApp, language, d.Facts)
		if err != nil {
			return nil, err
		}
		link, err := c.link(ctx, d)
		if err != nil {
			return nil, err
		}
		news = append(news, template.News{Title: text.Title, Body: text.Body, Link: link})
	}
	return news, nil
}
