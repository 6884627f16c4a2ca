package template

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
)

// Service keeps what admins wrote.
type Service struct{ db *pgxpool.Pool }

// NewService keeps templates in a database that has Migrations.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Get is the template that is used now. It fails with ErrNotFound.
func Get(ctx context.Context, db postgres.Reader, name string, channel kind.Channel, language Language) (Template, error) {
	k, err := kind.Of(name)
	if err != nil || !k.Has(channel) {
		return Template{}, ErrNotFound
	}
	text, err := builtIn(name, channel, language)
	if err != nil {
		return Template{}, err
	}
	t, err := newest(ctx, db, name, channel, language)
	if errors.Is(err, pgx.ErrNoRows) {
		return Template{Kind: name, Channel: channel, Language: language, Text: text}, nil
	}
	return t, err
}

// Write fills the template that is used now with facts. It fails with ErrNotFound or ErrBroken.
func Write(ctx context.Context, db postgres.Reader, name string, channel kind.Channel, language Language, facts Facts) (Text, error) {
	return NewWriter(db).Write(ctx, name, channel, language, facts)
}

// Writer reads each template once: it is for many texts of one moment.
type Writer struct {
	db    postgres.Reader
	known map[place]Text
}

// NewWriter writes with the templates that are used now.
func NewWriter(db postgres.Reader) *Writer { return &Writer{db, map[place]Text{}} }

// place is where a template is used.
type place struct {
	kind     string
	channel  kind.Channel
	language Language
}

// Write is Write.
func (w *Writer) Write(ctx context.Context, name string, channel kind.Channel, language Language, facts Facts) (Text, error) {
	at := place{name, channel, language}
	text, known := w.known[at]
	if !known {
		t, err := Get(ctx, w.db, name, channel, language)
		if err != nil {
			return Text{}, err
		}
		text = t.Text
		w.known[at] = text
	}
	return Fill(text, channel, language, facts)
}

// Get is the template that is used now. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, name string, channel kind.Channel, language Language) (Template, error) {
	return Get(ctx, s.db, name, channel, language)
}

// Change puts a text in the place of what is used now, from the next message on; earlier versions are kept. It fails
// with ErrNotFound, with ErrBroken if it cannot be filled, with ErrStale if version is not the one that is used now.
func (s *Service) Change(ctx context.Context, by shop.UserID, name string, channel kind.Channel, language Language, version int, text Text) (t Template, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		now, err := Get(ctx, tx, name, channel, language)
		if err != nil {
			return err
		}
		if now.Version != version {
			return ErrStale
		}
		if err := usable(text, channel, language); err != nil {
			return err
		}
		now.Text, now.Version, now.ChangedBy = text, version+1, &by
		t, err = add(ctx, tx, now)
		return err
	})
	return t, err
}

// usable fills a text with every fact and with none: each branch of it must work.
func usable(text Text, channel kind.Channel, language Language) error {
	if channel != kind.Email && text.HTML != "" {
		return ErrBroken.With("html", "is for e-mail only")
	}
	if channel == kind.Email && text.HTML == "" {
		return ErrBroken.With("html", "is empty")
	}
	if text.Body == "" {
		return ErrBroken.With("body", "is empty")
	}
	if _, err := Fill(text, channel, language, Sample); err != nil {
		return err
	}
	text.Title += "x" // may be all facts
	_, err := Fill(text, channel, language, Facts{})
	return err
}

// Preview fills a text with sample facts; without a text it is the one that is used now. It fails with ErrNotFound or
// ErrBroken.
func (s *Service) Preview(ctx context.Context, name string, channel kind.Channel, language Language, text *Text) (Text, error) {
	t, err := Get(ctx, s.db, name, channel, language)
	if err != nil {
		return Text{}, err
	}
	if text == nil {
		text = &t.Text
	}
	if err := usable(*text, channel, language); err != nil {
		return Text{}, err
	}
	return Fill(*text, channel, language, Sample)
}
