package transfer

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// An import is as long as its file, so its key is not kept in the transaction of what it makes, as kit/idempotency does it: it is
// claimed before, and the report is kept with how the import ended. What died between is taken up by whoever sends the file again,
// which is harmless, because a row that was taken changes nothing the second time.

// upload is a file as it is read, with what it must be known by when it is sent again.
type upload struct {
	by        shop.UserID
	key       []byte // nil without one
	mediaType string
	io.Reader
	digest hash.Hash
}

func newUpload(by shop.UserID, key, mediaType string, file io.Reader) *upload {
	u := &upload{by: by, mediaType: mediaType, Reader: file}
	if key != "" {
		name := sha256.Sum256([]byte(key))
		u.key, u.digest = name[:], sha256.New()
		u.digest.Write([]byte(mediaType + "\n"))
		u.Reader = io.TeeReader(file, u.digest)
	}
	return u
}

// sum reads what is left of the file, and answers the digest of all of it.
func (u *upload) sum() ([]byte, error) {
	if u.digest == nil {
		return nil, nil
	}
	_, err := io.Copy(io.Discard, u)
	return u.digest.Sum(nil), err
}

// claim makes the import that a file is, or takes up one of the same key that broke. earlier is one that is done. It fails with
// ErrRunning.
func (s *Service) claim(ctx context.Context, u *upload, r *ProductImportReport) (earlier *keyedImport, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if u.key != nil {
			if err := deleteExpiredKeys(ctx, tx); err != nil {
				return err
			}
		}
		fresh, err := insert(ctx, tx, &r.ProductImport, u)
		if err != nil || fresh {
			return err
		}
		found, err := lockByKey(ctx, tx, u)
		switch {
		case err != nil:
			return err
		case found.State == Done:
			earlier = &found
			return nil
		case found.State == Running:
			return ErrRunning
		}
		r.ID = found.ID
		return restart(ctx, tx, &r.ProductImport)
	})
	return earlier, err
}

// keyedImport is an import of a key, and its report if it is done.
type keyedImport struct {
	ProductImport
	Digest []byte
	Report *ProductImportReport
}

// replay answers what a file was answered the first time. It fails with idempotency.ErrReused where that was another file.
func (k *keyedImport) replay(u *upload) (ProductImportReport, error) {
	sum, err := u.sum()
	switch {
	case err != nil:
		return ProductImportReport{}, err
	case string(sum) != string(k.Digest) || k.Report == nil:
		return ProductImportReport{}, idempotency.ErrReused
	}
	return *k.Report, nil
}
