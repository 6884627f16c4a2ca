package transfer

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"github.com/jackc/pgx/v5"

	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// An import has many transactions, so kit/idempotency, which stores the response in the transaction of the request,
// does not fit. Instead, the key is claimed before the first row, and the report is stored at the end. A repeated
// request restarts a broken import; rows that were imported before change nothing the second time.

// upload is a file that is being read, and its identity: the user and the hashes of key and content.
type upload struct {
	by        shop.UserID
	key       []byte // nil without one
	mediaType string
	charset   charset
	io.Reader
	digest hash.Hash
}

// newUpload fails with ErrCharset.
func newUpload(by shop.UserID, key string, file web.Body) (*upload, error) {
	encoding, err := findCharset(file.Params["charset"])
	if err == nil && file.MediaType == linesType && !encoding.isUTF8() {
		err = ErrCharset.WithMessage("JSON lines are UTF-8")
	}
	u := &upload{by: by, mediaType: file.MediaType, charset: encoding, Reader: file}
	if key != "" {
		name := sha256.Sum256([]byte(key))
		u.key, u.digest = name[:], sha256.New()
		u.digest.Write([]byte(file.MediaType + "\n"))
		if !encoding.isUTF8() {
			u.digest.Write([]byte(encoding.name + "\n"))
		}
		u.Reader = io.TeeReader(file, u.digest)
	}
	return u, err
}

// sum reads the rest of the file and returns the digest of all of it.
func (u *upload) sum() ([]byte, error) {
	if u.digest == nil {
		return nil, nil
	}
	_, err := io.Copy(io.Discard, u)
	return u.digest.Sum(nil), err
}

// claim inserts an import, or restarts a broken one of the same key. earlier is a finished one of the same key. It
// fails with ErrRunning.
func (s *Service) claim(
	ctx context.Context, u *upload, r *ProductImportReport,
) (earlier *keyedImport, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if u.key != nil {
			if err := deleteExpiredKeys(ctx, tx); err != nil {
				return err
			}
		}
		inserted, err := insert(ctx, tx, &r.ProductImport, u)
		if err != nil || inserted {
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

// keyedImport is an import with a key, and its report if it is done.
type keyedImport struct {
	ProductImport
	Digest []byte
	Report *ProductImportReport
}

// replay returns the report of the first import. It fails with idempotency.ErrReused for another file.
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
