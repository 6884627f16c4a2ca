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

// Service manages the templates of admins.
type Service struct{ db *pgxpool.Pool }

// NewService needs a database with Migrations.
func NewService(db *pgxpool.Pool) *Service { return &Service{db: db} }

// Get is the current version of a template. It fails with ErrNotFound.
func Get(ctx context.Context, db postgres.Reader, at Selector) (Template, error) {
	first, err := builtInTemplate(at)
	if err != nil {
		return Template{}, err
	}
	t, err := newest(ctx, db, at)
	if errors.Is(err, pgx.ErrNoRows) {
		return first, nil
	}
	return t, err
}

// builtInTemplate is version 0 of a template. It fails with ErrNotFound.
func builtInTemplate(at Selector) (Template, error) {
	k, err := kind.Of(at.Kind)
	if err != nil || !k.Has(at.Channel) {
		return Template{}, ErrNotFound
	}
	text, err := builtIn(at)
	return Template{Kind: at.Kind, Channel: at.Channel, Language: at.Language, TemplateText: text}, err
}

// Renderer renders current templates. It reads each template once, so use a new one for each transaction or message.
type Renderer struct {
	db        postgres.Reader
	templates map[Selector]Template
}

// NewRenderer reads templates from a database with Migrations.
func NewRenderer(db postgres.Reader) *Renderer { return &Renderer{db, map[Selector]Template{}} }

// Render renders the current version of a template. If that cannot be rendered, it renders the built-in one: a
// notification with another text is better than none. It fails with ErrNotFound.
func (r *Renderer) Render(ctx context.Context, at Selector, v Variables) (TemplateText, error) {
	t, ok := r.templates[at]
	if !ok {
		var err error
		if t, err = Get(ctx, r.db, at); err != nil {
			return TemplateText{}, err
		}
		r.templates[at] = t
	}
	text, err := Render(t.TemplateText, at.Channel, at.Language, v)
	if t.Version == 0 || !errors.Is(err, ErrBroken) {
		return text, err
	}
	slog.WarnContext(ctx, "template cannot be rendered, using the built-in one",
		"kind", at.Kind, "channel", at.Channel, "language", at.Language, "version", t.Version, "err", err)
	first, err := builtIn(at)
	if err != nil {
		return TemplateText{}, err
	}
	return Render(first, at.Channel, at.Language, v)
}

// Version is a version of a template; 0 is the built-in one. It fails with ErrNotFound.
func (s *Service) Version(ctx context.Context, at Selector, version int) (Template, error) {
	first, err := builtInTemplate(at)
	if err != nil || version == 0 {
		return first, err
	}
	return getVersion(ctx, s.db, at, version)
}

// Update adds a version after the current one, which must be version. It is used from the next message on. Update fails
// with ErrNotFound, ErrPreconditionFailed, or ErrBroken if a notification of the kind could not be rendered.
func (s *Service) Update(
	ctx context.Context, by shop.UserID, at Selector, version int, text TemplateText,
) (Template, error) {
	return postgres.InTx(ctx, s.db, func(tx pgx.Tx) (Template, error) {
		t, err := Get(ctx, tx, at)
		if err != nil {
			return Template{}, err
		}
		if t.Version != version {
			return Template{}, ErrPreconditionFailed
		}
		if err := validate(text, at); err != nil {
			return Template{}, err
		}
		t.TemplateText, t.Version, t.ChangedBy = text, version+1, &by
		return insert(ctx, tx, t)
	})
}

// Preview renders a text, or without one the current version, with Sample. It fails with ErrNotFound or ErrBroken.
func (s *Service) Preview(ctx context.Context, at Selector, text *TemplateText) (TemplateText, error) {
	t, err := Get(ctx, s.db, at)
	if err != nil {
		return TemplateText{}, err
	}
	if text == nil {
		text = &t.TemplateText
	}
	if err := validate(*text, at); err != nil {
		return TemplateText{}, err
	}
	return Render(*text, at.Channel, at.Language, Sample)
}
