package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/category"
	"sidecart/apps/products/internal/image"
	"sidecart/apps/products/internal/product"
	"sidecart/apps/products/internal/stock"
	"sidecart/apps/products/internal/transfer"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func open(t testing.TB) (*pgxpool.Pool, *transfer.Service) {
	t.Helper()
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations,
		image.Migrations, stock.Migrations, transfer.Migrations)
	for _, name := range []string{"Chairs", "Tables"} {
		if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return db, transfer.NewService(event.NewOutbox(db), product.Defaults{Language: "en", Currency: "USD"})
}

func jsonLines(file io.Reader) web.Body {
	return web.Body{Reader: file, MediaType: "application/x-ndjson"}
}

// TestSlugs imports names and SKUs whose generated slugs would be equal: they differ after 120 characters, or in a dot.
func TestSlugs(t *testing.T) {
	db, s := open(t)
	long := strings.Repeat("x", 130)
	load := func(name, file string, created, failed int) {
		t.Helper()
		r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(strings.NewReader(file)))
		if err != nil || r.Created != created || r.Failed != failed {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	row := func(sku, more string) string {
		return fmt.Sprintf(`{"sku":%q,"price":1,"category":"chairs",%s}`, sku, more) + "\n"
	}
	load("in one batch", row("L-1", `"name":"`+long+`1"`)+row("L-2", `"name":"`+long+`2"`)+row("A.1", `"name":"Chair"`)+row("A-1", `"name":"Chair"`)+
		row("B", `"name":"Stool"`)+row("C", `"name":"Bench","slug":"stool-b"`), 6, 0)
	load("slugs of earlier products", row("L-3", `"name":"`+long+`3"`)+row("A_1", `"name":"Chair"`), 2, 0)
	load("one by one", row("L-4", `"name":"`+long+`4"`)+`{"sku":"Z","name":"Part of a cent","price":1.234,"category":"chairs"}`+"\n"+row("A-1.", `"name":"Chair"`), 2, 1)
	load("given slug taken", row("D", `"name":"Desk","slug":"stool-b"`)+row("E", `"name":"Desk"`), 1, 1)
	var slugs int
	if err := db.QueryRow(t.Context(), `select count(distinct slug) from products where slug like 'xxx%' or slug like 'chair-a-1%'`).Scan(&slugs); err != nil || slugs != 8 {
		t.Errorf("%d slugs, %v", slugs, err)
	}
}

const csvFile = "\xef\xbb\xbf" + `sku,name,price,currency,category,category_id,brand,initial_quantity,attr.color,description,metadata
C-1,Chair,49.5,,chairs,,Plain,5,red,"two
lines, and ""quotes""",
C-2,"Chair, large",60,EUR,,1,,0,blue,,"{""supplier"":7}"
,No SKU,1,,chairs,,,,,,
C-3,No price,,,chairs,,,,,,
C-4,Nowhere,1,,attic,,,,,,
C-5,Cheap,1.234,,chairs,,,,,,
C-6,Short
C-1,Chair again,45,,,,,,,,
C-7,Last,1,,tables,,,,,,
`

func TestImportAndExport(t *testing.T) {
	db, s := open(t)
	app := web.New("products", web.Config{Verify: kittest.Verify, Streaming: true})
	s.Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	stock.NewService(event.NewOutbox(db), time.Hour).Routes(app)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	csv, lines := map[string]string{"Content-Type": "text/csv"}, map[string]string{"Content-Type": "application/x-ndjson"}
	changed := func(n int) (topics []string) {
		for range n {
			topics = append(topics, "products.changed")
		}
		return topics
	}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "import as a user", As: alice, Do: "POST /products/import", Body: csvFile, Header: csv, Want: 403},
		{Name: "import as JSON", As: admin, Do: "POST /products/import", Body: `{}`, Want: 415},
		{Name: "unknown column", As: admin, Do: "POST /products/import", Body: "sku,colour\n", Header: csv, Want: 422, Has: []string{`"file"`}},
		{Name: "no SKU", As: admin, Do: "POST /products/import", Body: "name\nx\n", Header: csv, Want: 422},
		{Name: "empty file", As: admin, Do: "POST /products/import", Body: "", Header: csv, Want: 422},
		{Name: "valid and invalid rows", As: admin, Do: "POST /products/import", Body: csvFile, Header: csv, Want: 200, Emits: changed(4),
			Has: []string{`"state":"done","rows":9,"created":3,"updated":1,"unchanged":0,"failed":5`, `"errors_left_off":0`,
				`{"line":5,"sku":"","code":"invalid"`, `{"sku":"is required"}`, `"line":6,"sku":"C-3"`, `"price":"is required of a new product"`,
				`"line":7,"sku":"C-4"`, `"category":"there is no such category"`, `"line":8,"sku":"C-5"`, `"price":"USD has 2 decimals"`,
				`"line":9,"sku":"C-6","code":"malformed_line"`}},
		{Name: "an imported product", Do: "GET /products/1", Want: 200, Has: []string{`"name":"Chair again"`, `"price":45.00`, `"description":"two\nlines, and \"quotes\""`,
			`"attributes":{"color":"red"}`, `"available":5`}},
		{Name: "the same file again", As: admin, Do: "POST /products/import", Body: csvFile, Header: csv, Want: 200, Emits: changed(2),
			Has: []string{`"created":0,"updated":2,"unchanged":2,"failed":5`}},
		{Name: "JSON lines", As: admin, Do: "POST /products/import", Header: lines, Want: 200, Emits: changed(2),
			Body: `{"sku":"J-1","name":"Table","price":100,"category":"tables","attributes":{"legs":4},"initial_quantity":2}` + "\n\n" +
				`{"sku":"C-7","brand":"New","initial_quantity":9}` + "\n" + `{"sku":"J-2","color":"red"}` + "\n" + `{"sku":` + "\n" + `[1]`,
			Has: []string{`"rows":5,"created":1,"updated":1,"unchanged":0,"failed":3`, `{"line":4,"sku":"J-2","code":"invalid"`, `"color":"is not a known field"`,
				`{"line":5,"sku":"","code":"malformed"`, `{"line":6,"sku":""`}},
		{Name: "languages", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-1","language":"de"}` + "\n" + `{"sku":"J-1","language":"xx"}`,
			Want: 200, Emits: changed(1), Has: []string{`"updated":1,"unchanged":0,"failed":1`, `{"language":"must be one of en, de, es, simple"}`}},
		{Name: "stock of an existing product", Do: "GET /products?q=c-7", Want: 200, Has: []string{`"brand":"New"`, `"available":0`}},
		{Name: "threshold above the stock", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-1","low_stock_threshold":3}`, Want: 200,
			Emits: []string{"stock.low", "products.changed"}},
		{Name: "archive", As: admin, Do: "DELETE /products/2", Want: 204, Emits: []string{"products.archived"}},
		{Name: "archived product", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"C-2","price":1}`, Want: 200,
			Has: []string{`"failed":1`, `"sku":"is of a product that is archived"`}},
		{Name: "invalid key", As: admin, Do: "POST /products/import", Header: map[string]string{"Content-Type": "application/x-ndjson", "Idempotency-Key": "ä"},
			Body: `{"sku":"J-1"}`, Want: 422, Has: []string{`"Idempotency-Key"`}},
		{Name: "line too long", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-9","name":"` + strings.Repeat("x", 1<<20), Want: 413, Has: []string{`"line_too_long"`}},
		{Name: "list imports", As: admin, Do: "GET /products/imports?limit=2", Want: 200, Has: []string{`"state":"broken"`, `"state":"done"`, `"next_cursor":"`}},
		{Name: "list imports as a user", As: alice, Do: "GET /products/imports", Want: 403},
		{Name: "export as a user", As: alice, Do: "GET /products/export", Want: 403},
		{Name: "export", As: admin, Do: "GET /products/export", Want: 200, HasNot: []string{"C-2"},
			Has: []string{"sku,name,", `C-1,Chair again,"two`, `,tables,,de,"{""legs"":4}",{},2,3`}},
		{Name: "export in an unknown format", As: admin, Do: "GET /products/export?format=xml", Want: 422},
	})
	t.Run("an export can be imported", func(t *testing.T) {
		for _, format := range []string{"csv", "jsonl"} {
			_, file := kittest.Do(t, app, kittest.Call{As: admin, Do: "GET /products/export?format=" + format})
			header := map[string]map[string]string{"csv": csv, "jsonl": lines}[format]
			kittest.Run(t, app, db, []kittest.Call{{Name: format, As: admin, Do: "POST /products/import", Body: string(file), Header: header, Want: 200,
				Has: []string{`"created":0,"updated":0,"unchanged":3,"failed":0`}}})
		}
	})
}

// generated is a file of n rows that is generated while it is read. It records the peak heap size.
type generated struct {
	n, made int
	rest    []byte
	peak    uint64
}

func (e *generated) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.made == e.n {
			return 0, io.EOF
		}
		if e.made%5000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			e.peak = max(e.peak, m.HeapInuse)
		}
		e.made++
		e.rest = fmt.Appendf(nil, `{"sku":"E-%d","name":"Thing number %d","description":"One of very many things, each like the others","price":%d.50,"category":"chairs","brand":"B %d","attributes":{"color":"red","size":%d},"initial_quantity":3}`+"\n",
			e.made, e.made, 1+e.made%500, e.made%40, e.made%9)
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestLargeFile: 10,000 rows are imported in bounded memory.
func TestLargeFile(t *testing.T) {
	db, s := open(t)
	file := &generated{n: 10_000}
	r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(file))
	if err != nil || r.Created != file.n || r.Failed != 0 || r.State != transfer.Done {
		t.Fatalf("%+v, %v", r.ProductImport, err)
	}
	if file.peak > 64<<20 {
		t.Errorf("%d MB of memory", file.peak>>20)
	}
	var wrong int
	err = db.QueryRow(t.Context(), `
		select count(*) from products p left join stock s on s.product_id = p.id
		where s.on_hand is distinct from 3 or (select sum(delta) from movements m where m.product_id = p.id) is distinct from 3`).Scan(&wrong)
	if err != nil || wrong != 0 {
		t.Errorf("%d products have a wrong stock, %v", wrong, err)
	}
}

// TestBrokenImport: a file that ends early leaves a broken import with the rows before.
func TestBrokenImport(t *testing.T) {
	_, s := open(t)
	lost := errors.New("connection lost")
	first := &generated{n: 700}
	r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", jsonLines(io.MultiReader(first, failing{lost})))
	if !errors.Is(err, lost) || r.Created != 700 {
		t.Errorf("%+v, %v", r.ProductImport, err)
	}
	all, err := s.Imports(t.Context(), web.PageQuery{Limit: 1})
	if err != nil || all.Items[0].State != transfer.Broken || all.Items[0].Created != 700 {
		t.Errorf("%+v, %v", all, err)
	}
	if r, err = s.Import(t.Context(), shop.UserID{}, "", jsonLines(&generated{n: 900})); err != nil || r.Unchanged != 700 || r.Created != 200 {
		t.Errorf("again: %+v, %v", r.ProductImport, err)
	}
}

// TestRepeatedImport: a repeated request returns the first report, or restarts a broken import.
func TestRepeatedImport(t *testing.T) {
	db, s := open(t)
	user, other := shop.UserID{UUID: shop.NewID()}, shop.UserID{UUID: shop.NewID()}
	send := func(by shop.UserID, key string, n int) (transfer.ProductImportReport, error) {
		return s.Import(t.Context(), by, key, jsonLines(&generated{n: n}))
	}
	first, err := send(user, "k", 700)
	if err != nil || first.Created != 700 {
		t.Fatalf("%+v, %v", first.ProductImport, err)
	}
	if again, err := send(user, "k", 700); err != nil || again.Created != 700 || again.ID != first.ID || !again.SeenAt.Equal(first.SeenAt) || again.Errors == nil {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := send(user, "k", 701); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another file: %v", err)
	}
	if of, err := send(other, "k", 700); err != nil || of.Unchanged != 700 || of.ID == first.ID {
		t.Errorf("the key of another user: %+v, %v", of.ProductImport, err)
	}
	lost := errors.New("connection lost")
	if _, err := s.Import(t.Context(), user, "b", jsonLines(io.MultiReader(&generated{n: 600}, failing{lost}))); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	if r, err := send(user, "b", 800); err != nil || r.Created != 100 || r.Unchanged != 700 {
		t.Errorf("restart of a broken import: %+v, %v", r.ProductImport, err)
	}
	if _, err := db.Exec(t.Context(), `update imports set state = 'running', seen_at = now() where id = $1`, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := send(user, "k", 700); !errors.Is(err, transfer.ErrRunning) {
		t.Errorf("while the first is running: %v", err)
	}
	if _, err := db.Exec(t.Context(), `update imports set started_at = now() - interval '25 hours' where id = $1`, first.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := send(user, "k", 700); err != nil || r.ID == first.ID || r.Unchanged != 700 {
		t.Errorf("a day later: %+v, %v", r.ProductImport, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// BenchmarkImport measures the import and the export of 100,000 rows, and the memory of the import.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		_, s := open(b)
		file, start := &generated{n: 100_000}, time.Now()
		if r, err := s.Import(context.Background(), shop.UserID{}, "", jsonLines(file)); err != nil || r.Created != file.n {
			b.Fatal(r.ProductImport, err)
		}
		b.ReportMetric(float64(file.n)/time.Since(start).Seconds(), "rows-in/s")
		b.ReportMetric(float64(file.peak>>20), "MB-heap")
		start = time.Now()
		if err := s.Export(context.Background(), "text/csv", io.Discard); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(file.n)/time.Since(start).Seconds(), "rows-out/s")
	}
	b.ReportMetric(0, "ns/op")
}
