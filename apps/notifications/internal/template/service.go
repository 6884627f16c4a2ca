package template

import (
	"context"
	"errors"
	"log/slog"

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
	first, err := builtInTemplate(name, channel, language)
	if err != nil {
		return Template{}, err
	}
	t, err := newest(ctx, db, name, channel, language)
	if errors.Is(err, pgx.ErrNoRows) {
		return first, nil
	}
	return t, err
}

// builtInTemplate is the template that is built in. It fails with ErrNotFound.
func builtInTemplate(name string, channel kind.Channel, language Language) (Template, error) {
	k, err := kind.Of(name)
	if err != nil || !k.Has(channel) {
		return Template{}, ErrNotFound
	}
	text, err := builtIn(name, channel, language)
	return Template{Kind: name, Channel: channel, Language: language, TemplateText: text}, err
}

// Write fills the template that is used now with facts. Where that cannot be done, what is built in says it: better told in
// other words than not at all. It fails with ErrNotFound.
func Write(ctx context.Context, db postgres.Reader, name string, channel kind.Channel, language Language, facts Variables) (TemplateText, error) {
	return NewRenderer(db).Render(ctx, name, channel, language, facts)
}

// Renderer reads each template once: it is for many texts of one moment.
type Renderer struct {
	db    postgres.Reader
	known map[templateKey]Template
}

// NewRenderer writes with the templates that are used now.
func NewRenderer(db postgres.Reader) *Renderer { return &Renderer{db, map[templateKey]Template{}} }

// templateKey is where a template is used.
type templateKey struct {
	kind     string
	channel  kind.Channel
	language Language
}

// Render is Write.
func (w *Renderer) Render(ctx context.Context, name string, channel kind.Channel, language Language, facts Variables) (TemplateText, error) {
	at := templateKey{name, channel, language}
	t, known := w.known[at]
	if !known {
		var err error
		if t, err = Get(ctx, w.db, name, channel, language); err != nil {
			return TemplateText{}, err
		}
		w.known[at] = t
	}
	filled, err := Render(t.TemplateText, channel, language, facts)
	if t.Version == 0 || !errors.Is(err, ErrBroken) {
		return filled, err
	}
	slog.WarnContext(ctx, "a template cannot be filled; what is built in is sent instead",
		"kind", name, "channel", channel, "language", language, "version", t.Version)
	usual, err := builtIn(name, channel, language)
	if err != nil {
		return TemplateText{}, err
	}
	return Render(usual, channel, language, facts)
}

// Get is the template that is used now. It fails with ErrNotFound.
func (s *Service) Get(ctx context.Context, name string, channel kind.Channel, language Language) (Template, error) {
	return Get(ctx, s.db, name, channel, language)
}

// Version is a template as it once was; 0 is the one that is built in. It fails with ErrNotFound.
func (s *Service) Version(ctx context.Context, name string, channel kind.Channel, language Language, version int) (Template, error) {
	first, err := builtInTemplate(name, channel, language)
	if err != nil || version == 0 {
		return first, err
	}
	return getVersion(ctx, s.db, name, channel, language, version)
}

// Update puts a text in the place of what is used now, from the next message on; earlier versions are kept (Version). It fails
// with ErrNotFound, with ErrBroken if a message could not be told with it, with ErrPreconditionFailed if version is not the one that is used now.
func (s *Service) Update(ctx context.Context, by shop.UserID, name string, channel kind.Channel, language Language, version int, text TemplateText) (t Template, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		now, err := Get(ctx, tx, name, channel, language)
		if err != nil {
			return err
		}
		if now.Version != version {
			return ErrPreconditionFailed
		}
		if err := validate(name, text, channel, language); err != nil {
			return err
		}
		now.TemplateText, now.Version, now.ChangedBy = text, version+1, &by
		t, err = insert(ctx, tx, now)
		return err
	})
	return t, err
}

// Preview fills a text with sample facts; without a text it is the one that is used now. It fails with ErrNotFound or
// ErrBroken.
func (s *Service) Preview(ctx context.Context, name string, channel kind.Channel, language Language, text *TemplateText) (TemplateText, error) {
	t, err := Get(ctx, s.db, name, channel, language)
	if err != nil {
		return TemplateText{}, err
	}
	if text == nil {
		text = &t.TemplateText
	}
	if err := validate(name, *text, channel, language); err != nil {
		return TemplateText{}, err
	}
	return Render(*text, channel, language, Sample)
}
