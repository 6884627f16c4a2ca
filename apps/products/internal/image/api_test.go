package image_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"mime/multipart"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/category"
	images "sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

func newDB(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations,
		images.Migrations, stock.Migrations)
}

// fakeFiles is a file store in memory. Calls fail with err.
type fakeFiles struct {
	mu    sync.Mutex
	files map[string][]byte
	err   error
	bad   string // a file that cannot be deleted
}

func (f *fakeFiles) Files() images.Files {
	return images.Files{
		Put: func(_ context.Context, name string, data []byte) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.err == nil {
				f.files[name] = data
			}
			return f.err
		},
		Get: func(_ context.Context, name string) ([]byte, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			data, ok := f.files[name]
			if !ok {
				return nil, sidecar.ErrFileNotFound
			}
			return data, f.err
		},
		Delete: func(_ context.Context, name string) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if name == f.bad {
				return sidecar.ErrUpstream
			}
			delete(f.files, name)
			return f.err
		},
	}
}

func form(t *testing.T, name string, file []byte, alt string) (body string, header map[string]string) {
	t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	part, err := w.CreateFormFile("anything", name)
	if err == nil {
		_, err = part.Write(file)
	}
	if err == nil && alt != "" {
		err = w.WriteField("alt", alt)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), map[string]string{"Content-Type": w.FormDataContentType()}
}

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	p.SetNRGBA(0, 0, color.NRGBA{R: 255, A: 128})
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func newApp(t *testing.T) (*pgxpool.Pool, *web.App, *images.Service, *fakeFiles) {
	t.Helper()
	db := newDB(t)
	app := web.New("products", web.Config{Verify: kittest.Verify, Streaming: true})
	store := &fakeFiles{files: map[string][]byte{}}
	s := images.NewService(event.NewOutbox(db), store.Files())
	s.Routes(app)
	category.NewService(event.NewOutbox(db)).Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	return db, app, s, store
}

func TestImages(t *testing.T) {
	db, app, s, store := newApp(t)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	changed := []string{"products.changed"}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "category", As: admin, Do: "POST /categories", Body: `{"name":"Things"}`, Want: 201},
		{Name: "product", As: admin, Do: "POST /products", Body: `{"name":"Thing","sku":"T","price":1,"category_id":1}`, Want: 201, Emits: changed, Has: []string{`"images":[]`}},
	})
	body, header := form(t, "photo.jpg", picture(t, 640, 320), "A thing")
	keyed := maps.Clone(header)
	keyed["Idempotency-Key"] = "k"
	text, textHeader := form(t, "photo.jpg", []byte("<script>alert(1)</script>"), "")
	badAlt, badAltHeader := form(t, "p.png", picture(t, 1, 1), "two\nlines")
	nothing, nothingHeader := form(t, "p.png", nil, "x")
	huge, hugeHeader := form(t, "p.png", make([]byte, 9<<20), "")
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "add as a user", As: alice, Do: "POST /products/1/images", Body: body, Header: header, Want: 403},
		{Name: "add as JSON", As: admin, Do: "POST /products/1/images", Body: `{}`, Want: 415},
		{Name: "add to an unknown product", As: admin, Do: "POST /products/99/images", Body: body, Header: header, Want: 404, Has: []string{`"product_not_found"`}},
		{Name: "a text file named .jpg", As: admin, Do: "POST /products/1/images", Body: text, Header: textHeader, Want: 415, Has: []string{`"not_an_image"`}},
		{Name: "invalid alt", As: admin, Do: "POST /products/1/images", Body: badAlt, Header: badAltHeader, Want: 422, Has: []string{`"alt"`}},
		{Name: "no file", As: admin, Do: "POST /products/1/images", Body: nothing, Header: nothingHeader, Want: 422, Has: []string{`"file"`}},
		{Name: "no form", As: admin, Do: "POST /products/1/images", Body: "nonsense", Header: header, Want: 422, Has: []string{`"file"`}},
		{Name: "too large", As: admin, Do: "POST /products/1/images", Body: huge, Header: hugeHeader, Want: 413},
		{Name: "add a PNG named .jpg", As: admin, Do: "POST /products/1/images", Body: body, Header: keyed, Want: 201, Emits: changed,
			Has: []string{`"product_id":1,"media_type":"image/png","width":640,"height":320,"alt":"A thing","position":1`}},
		{Name: "add again", As: admin, Do: "POST /products/1/images", Body: body, Header: keyed, Want: 201, Has: []string{`"position":1`}},
		{Name: "add another", As: admin, Do: "POST /products/1/images", Body: body, Header: header, Want: 201, Emits: changed, Has: []string{`"position":2`}},
		{Name: "product with its images", Do: "GET /products/1", Want: 200, Has: []string{`"images":[{"id":`, `"position":1`, `"position":2`, `"version":3`}},
	})
	_, shown := kittest.Do(t, app, kittest.Call{Do: "GET /products/1"})
	all := kittest.Field[[]images.Image](t, shown, "images")
	first, second := ref(all[0].ID), ref(all[1].ID)
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "get", Do: "GET " + first, Want: 200, Has: []string{"\x89PNG"}},
		{Name: "thumbnail", Do: "GET " + first + "?size=thumbnail", Want: 200, AndThen: func(t *testing.T, body []byte) {
			if c, err := png.DecodeConfig(bytes.NewReader(body)); err != nil || c.Width != 320 || c.Height != 160 {
				t.Errorf("%+v, %v", c, err)
			}
		}},
		{Name: "unknown size", Do: "GET " + first + "?size=huge", Want: 422},
		{Name: "image of another product", Do: strings.Replace("GET "+first, "/1/", "/2/", 1), Want: 404},
		{Name: "update as a user", As: alice, Do: "PATCH " + second, Body: `{"alt":"x"}`, Want: 403},
		{Name: "update the alt", As: admin, Do: "PATCH " + second, Body: `{"alt":"From behind"}`, Want: 200, Emits: changed, Has: []string{`"alt":"From behind","position":2`}},
		{Name: "move to the front", As: admin, Do: "PATCH " + second, Body: `{"position":1}`, Want: 200, Emits: changed, Has: []string{`"position":1`}},
		{Name: "position 0", As: admin, Do: "PATCH " + second, Body: `{"position":0}`, Want: 422},
		{Name: "update an unknown image", As: admin, Do: "PATCH /products/1/images/999", Body: `{"position":1}`, Want: 404, Has: []string{`"image_not_found"`}},
		{Name: "delete as a user", As: alice, Do: "DELETE " + second, Want: 403},
		{Name: "delete", As: admin, Do: "DELETE " + second, Want: 204, Emits: changed},
		{Name: "delete again", As: admin, Do: "DELETE " + second, Want: 404},
		{Name: "the next image moves up", Do: "GET /products/1", Want: 200, Has: []string{`"alt":"A thing","position":1`}},
	})
	if err := s.DeleteUnused(t.Context()); err != nil || len(store.files) != 4 {
		// two files of the image, and two of the refused upload, which are less than an hour old
		t.Errorf("stored %v", slices.Collect(maps.Keys(store.files)))
	}
	if _, err := db.Exec(t.Context(), `update image_files set free_at = now() where free_at > now()`); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUnused(t.Context()); err != nil || len(store.files) != 2 {
		t.Errorf("stored %d, %v", len(store.files), err)
	}
	store.err = sidecar.ErrUpstream
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "file store unavailable", As: admin, Do: "POST /products/1/images", Body: body, Header: header, Want: 503},
		{Name: "archive while the file store is unavailable", As: admin, Do: "DELETE /products/1", Want: 204, Emits: []string{"products.archived"}},
		{Name: "get when archived", Do: "GET " + first, Want: 404},
	})
	if err := s.DeleteUnused(t.Context()); !errors.Is(err, sidecar.ErrUpstream) {
		t.Error(err)
	}
	store.err = nil
	if _, err := db.Exec(t.Context(), `update image_files set free_at = now()`); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUnused(t.Context()); err != nil || len(store.files) != 0 {
		t.Errorf("stored %d, %v", len(store.files), err)
	}
}

// TestAnInvalidFileBlocksNoOther: a file that cannot be deleted is reported and retried later, and the others are
// deleted.
func TestAnInvalidFileBlocksNoOther(t *testing.T) {
	db := newDB(t)
	bad, valid := shop.NewID(), shop.NewID()
	store := &fakeFiles{files: map[string][]byte{bad.String(): nil, valid.String(): nil}, bad: bad.String()}
	s := images.NewService(event.NewOutbox(db), store.Files())
	if _, err := db.Exec(t.Context(), `
		insert into image_files (name, free_at) values ($1, now() - interval '2 hours'), ($2, now() - interval '1 hour')`, bad, valid); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteUnused(t.Context()); !errors.Is(err, sidecar.ErrUpstream) || !strings.Contains(err.Error(), bad.String()) || len(store.files) != 1 {
		t.Errorf("%d are left, %v", len(store.files), err)
	}
	if err := s.DeleteUnused(t.Context()); err != nil {
		t.Errorf("the bad one is retried immediately: %v", err)
	}
}

func ref(id int64) string { return fmt.Sprint("/products/1/images/", id) }

// TestConcurrentAddAndMove: positions stay 1, 2, 3 ..., and a product never has too many images.
func TestConcurrentAddAndMove(t *testing.T) {
	db := newDB(t)
	store := &fakeFiles{files: map[string][]byte{}}
	s := images.NewService(event.NewOutbox(db), store.Files())
	if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: "Things"}); err != nil {
		t.Fatal(err)
	}
	price := shop.MustMoney("1")
	if _, err := product.NewService(event.NewOutbox(db), "en", "USD").Create(t.Context(), product.NewProduct{Name: "x", SKU: "x", Price: &price, CategoryID: 1}); err != nil {
		t.Fatal(err)
	}
	file := picture(t, 8, 8)
	var race sync.WaitGroup
	for range 24 {
		race.Go(func() {
			i, err := s.Add(context.Background(), idempotency.Key{}, 1, "", file)
			if err != nil {
				if !errors.Is(err, images.ErrTooMany) {
					t.Error(err)
				}
				return
			}
			front := 1
			if _, err := s.Update(context.Background(), 1, i.ID, images.ImageUpdate{Position: &front}); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	p, err := product.NewService(event.NewOutbox(db), "en", "USD").Get(t.Context(), 1)
	if err != nil || len(p.Images) != 20 {
		t.Fatalf("%d images, %v", len(p.Images), err)
	}
	for i, image := range p.Images {
		if image.Position != i+1 {
			t.Errorf("image %d has position %d", i+1, image.Position)
		}
	}
}
