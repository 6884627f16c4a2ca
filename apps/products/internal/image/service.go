package image

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations create the tables of images. They reference the tables of products.
var Migrations = postgres.Migrations{Name: "image", Files: postgres.Sub(files)}

// Service adds, orders, serves and deletes images of products.
type Service struct {
	db     *event.Outbox
	files  Files
	memory *semaphore.Weighted // bytes that renders may take
}

// maxRenderWait is how long an upload waits for memory.
const maxRenderWait = 20 * time.Second

// NewService takes an open database and a file store.
func NewService(db *event.Outbox, files Files) *Service {
	return &Service{db: db, files: files, memory: semaphore.NewWeighted(maxRenderMemory)}
}

// Add appends an image to a product and emits products.changed. It fails with ErrNoProduct, ErrTooMany, ErrNotAnImage,
// ErrAnimated, ErrCMYK, ErrColors, ErrTooLarge or ErrBusy.
func (s *Service) Add(
	ctx context.Context, key idempotency.Key, productID int64, alt string, file []byte,
) (Image, error) {
	_, earlier, err := idempotency.Begin[Image](ctx, s.db.Pool, key)
	if err != nil {
		return Image{}, err
	}
	if earlier != nil {
		return *earlier, nil
	}
	p, err := s.render(ctx, file)
	if err != nil {
		return Image{}, err
	}
	name := shop.NewID()
	if err := s.upload(ctx, name, p); err != nil {
		return Image{}, err
	}
	return idempotency.Do(ctx, s.db, key, func(tx event.TX) (Image, error) {
		if err := touchProduct(ctx, tx, productID); err != nil {
			return Image{}, err
		}
		i, err := insert(ctx, tx, productID, name, alt, p)
		if err == nil && i.Position > maxImages {
			err = ErrTooMany
		}
		return i, err
	})
}

// render waits until there is memory. It fails with ErrBusy after maxRenderWait.
func (s *Service) render(ctx context.Context, file []byte) (renditions, error) {
	var reserved int64
	defer func() {
		if reserved > 2*renditionMemory {
			runtime.GC() // frees the pixels before the next render takes as much
		}
		s.memory.Release(reserved)
	}()
	return render(file, func(bytes int64) error {
		ctx, cancel := context.WithTimeout(ctx, maxRenderWait)
		defer cancel()
		if err := s.memory.Acquire(ctx, bytes); err != nil {
			return ErrBusy.Wrap(err)
		}
		reserved = bytes
		return nil
	})
}

// upload stores both files. It records them first, so that DeleteUnused finds them if no image follows.
func (s *Service) upload(ctx context.Context, name uuid.UUID, p renditions) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return insertFile(ctx, tx, name) })
	if err != nil {
		return err
	}
	if err := s.files.Put(ctx, name.String(), p.full.Bytes); err != nil {
		return err
	}
	return s.files.Put(ctx, thumbnailName(name), p.thumbnail.Bytes)
}

func thumbnailName(name uuid.UUID) string { return name.String() + "-small" }

// Get returns an image or its thumbnail. It fails with ErrNotFound, also for an archived product.
func (s *Service) Get(ctx context.Context, productID, id int64, thumbnail bool) (Rendition, error) {
	f, err := getFile(ctx, s.db, productID, id)
	if err != nil {
		return Rendition{}, err
	}
	name, p := f.File.String(), Rendition{MediaType: f.MediaType, Tag: f.Tag}
	if thumbnail {
		name, p = thumbnailName(f.File), Rendition{MediaType: f.SmallType, Tag: f.Tag + "-small"}
	}
	p.Bytes, err = s.files.Get(ctx, name)
	if errors.Is(err, sidecar.ErrFileNotFound) { // deleted concurrently, or lost: log it
		return p, fmt.Errorf("image %d: %w", id, ErrNotFound.Wrap(err))
	}
	return p, err
}

// Update changes an image and emits products.changed. It fails with ErrNoProduct or ErrNotFound.
func (s *Service) Update(ctx context.Context, productID, id int64, update ImageUpdate) (i Image, err error) {
	err = s.db.Tx(ctx, func(tx event.TX) error {
		if err := touchProduct(ctx, tx, productID); err != nil {
			return err
		}
		if update.Alt != nil {
			if err := setAlt(ctx, tx, productID, id, *update.Alt); err != nil {
				return err
			}
		}
		if update.Position != nil {
			ids, err := listIDs(ctx, tx, productID)
			if err != nil {
				return err
			}
			if err := setPositions(ctx, tx, reordered(ids, id, *update.Position)); err != nil {
				return err
			}
		}
		i, err = get(ctx, tx, productID, id)
		return err
	})
	return i, err
}

// Delete deletes an image and emits products.changed. It fails with ErrNoProduct or ErrNotFound.
func (s *Service) Delete(ctx context.Context, productID, id int64) error {
	return s.db.Tx(ctx, func(tx event.TX) error {
		if err := touchProduct(ctx, tx, productID); err != nil {
			return err
		}
		if err := deleteRow(ctx, tx, productID, id); err != nil {
			return err
		}
		ids, err := listIDs(ctx, tx, productID)
		if err != nil {
			return err
		}
		return setPositions(ctx, tx, ids)
	})
}

// DeleteUnused deletes up to 200 files without an image. It may be interrupted and run again. A file that cannot be
// deleted is retried after an hour; the error names it.
func (s *Service) DeleteUnused(ctx context.Context) error {
	names, err := unusedFiles(ctx, s.db)
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		err := errors.Join(s.files.Delete(ctx, name.String()), s.files.Delete(ctx, thumbnailName(name)))
		if err == nil {
			err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return deleteFile(ctx, tx, name) })
		}
		if err == nil {
			continue
		}
		failed = errors.Join(failed, fmt.Errorf("image file %s: %w", name, err))
		if err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return postponeFile(ctx, tx, name) }); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}
