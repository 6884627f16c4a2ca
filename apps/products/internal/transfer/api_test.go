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
	db := kittest.DB(t, event.Migrations, idempotency.Migrations, category.Migrations, product.Migrations, image.Migrations, stock.Migrations, transfer.Migrations)
	for _, name := range []string{"Chairs", "Tables"} {
		if _, err := category.NewService(event.NewOutbox(db)).Create(t.Context(), category.NewCategory{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return db, transfer.NewService(event.NewOutbox(db), "en")
}

// TestAddresses has names and SKUs that differ in what an address has not: in what comes after 120 letters, or in a dot.
func TestAddresses(t *testing.T) {
	db, s := open(t)
	long := strings.Repeat("x", 130)
	take := func(name, file string, created, failed int) {
		t.Helper()
		r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", "application/x-ndjson", strings.NewReader(file))
		if err != nil || r.Created != created || r.Failed != failed {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	row := func(sku, more string) string {
		return fmt.Sprintf(`{"sku":%q,"price":1,"category":"chairs",%s}`, sku, more) + "\n"
	}
	take("together", row("L-1", `"name":"`+long+`1"`)+row("L-2", `"name":"`+long+`2"`)+row("A.1", `"name":"Chair"`)+row("A-1", `"name":"Chair"`)+
		row("B", `"name":"Stool"`)+row("C", `"name":"Bench","slug":"stool-b"`), 6, 0)
	take("after those", row("L-3", `"name":"`+long+`3"`)+row("A_1", `"name":"Chair"`), 2, 0)
	take("one by one", row("L-4", `"name":"`+long+`4"`)+`{"sku":"Z","name":"Part of a cent","price":1.234,"category":"chairs"}`+"\n"+row("A-1.", `"name":"Chair"`), 2, 1)
	take("given and taken", row("D", `"name":"Desk","slug":"stool-b"`)+row("E", `"name":"Desk"`), 1, 1)
	var addresses int
	if err := db.QueryRow(t.Context(), `select count(distinct slug) from products where slug like 'xxx%' or slug like 'chair-a-1%'`).Scan(&addresses); err != nil || addresses != 8 {
		t.Errorf("%d addresses, %v", addresses, err)
	}
}

const exportRow = "\xef\xbb\xbf" + `sku,name,price,currency,category,category_id,brand,initial_quantity,attr.color,description,metadata
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
	product.NewService(event.NewOutbox(db), "en").Routes(app)
	stock.NewService(event.NewOutbox(db), time.Hour).Routes(app)
	admin, alice := kittest.NewCaller(shop.Admin), kittest.NewCaller(shop.User)
	csv, lines := map[string]string{"Content-Type": "text/csv"}, map[string]string{"Content-Type": "application/x-ndjson"}
	told := func(n int) (topics []string) {
		for range n {
			topics = append(topics, "products.changed")
		}
		return topics
	}
	kittest.Run(t, app, db, []kittest.Call{
		{Name: "by a user", As: alice, Do: "POST /products/import", Body: exportRow, Header: csv, Want: 403},
		{Name: "as JSON", As: admin, Do: "POST /products/import", Body: `{}`, Want: 415},
		{Name: "an unknown column", As: admin, Do: "POST /products/import", Body: "sku,colour\n", Header: csv, Want: 422, Has: []string{`"file"`}},
		{Name: "no SKU", As: admin, Do: "POST /products/import", Body: "name\nx\n", Header: csv, Want: 422},
		{Name: "nothing", As: admin, Do: "POST /products/import", Body: "", Header: csv, Want: 422},
		{Name: "each row on its own", As: admin, Do: "POST /products/import", Body: exportRow, Header: csv, Want: 200, Emits: told(4),
			Has: []string{`"state":"done","rows":9,"created":3,"updated":1,"unchanged":0,"failed":5`, `"errors_left_off":0`,
				`{"line":5,"sku":"","code":"invalid"`, `{"sku":"is required"}`, `"line":6,"sku":"C-3"`, `"price":"is required of a new product"`,
				`"line":7,"sku":"C-4"`, `"category":"there is no such category"`, `"line":8,"sku":"C-5"`, `"price":"USD has 2 decimals"`,
				`"line":9,"sku":"","code":"malformed_line"`}},
		{Name: "a row is as it says", Do: "GET /products/1", Want: 200, Has: []string{`"name":"Chair again"`, `"price":45.00`, `"description":"two\nlines, and \"quotes\""`,
			`"attributes":{"color":"red"}`, `"available":5`}},
		{Name: "again, and nothing changes but what changes back", As: admin, Do: "POST /products/import", Body: exportRow, Header: csv, Want: 200, Emits: told(2),
			Has: []string{`"created":0,"updated":2,"unchanged":2,"failed":5`}},
		{Name: "JSON lines", As: admin, Do: "POST /products/import", Header: lines, Want: 200, Emits: told(2),
			Body: `{"sku":"J-1","name":"Table","price":100,"category":"tables","attributes":{"legs":4},"initial_quantity":2}` + "\n\n" +
				`{"sku":"C-7","brand":"New","initial_quantity":9}` + "\n" + `{"sku":"J-2","color":"red"}` + "\n" + `{"sku":` + "\n" + `[1]`,
			Has: []string{`"rows":5,"created":1,"updated":1,"unchanged":0,"failed":3`, `{"line":4,"sku":"J-2","code":"invalid"`, `"color":"is not a known field"`,
				`{"line":5,"sku":"","code":"malformed"`, `{"line":6,"sku":""`}},
		{Name: "in another language", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-1","language":"de"}` + "\n" + `{"sku":"J-1","language":"xx"}`,
			Want: 200, Emits: told(1), Has: []string{`"updated":1,"unchanged":0,"failed":1`, `{"language":"must be one of en, de, es, simple"}`}},
		{Name: "known stock stays", Do: "GET /products?q=c-7", Want: 200, Has: []string{`"brand":"New"`, `"available":0`}},
		{Name: "a threshold is crossed", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-1","low_stock_threshold":3}`, Want: 200,
			Emits: []string{"stock.low", "products.changed"}},
		{Name: "archived", As: admin, Do: "DELETE /products/2", Want: 204, Emits: []string{"products.archived"}},
		{Name: "what is archived stays so", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"C-2","price":1}`, Want: 200,
			Has: []string{`"failed":1`, `"sku":"is of a product that is archived"`}},
		{Name: "a key that is none", As: admin, Do: "POST /products/import", Header: map[string]string{"Content-Type": "application/x-ndjson", "Idempotency-Key": "ä"},
			Body: `{"sku":"J-1"}`, Want: 422, Has: []string{`"Idempotency-Key"`}},
		{Name: "a line too long", As: admin, Do: "POST /products/import", Header: lines, Body: `{"sku":"J-9","name":"` + strings.Repeat("x", 1<<20), Want: 413, Has: []string{`"line_too_long"`}},
		{Name: "progress", As: admin, Do: "GET /products/imports?limit=2", Want: 200, Has: []string{`"state":"broken"`, `"state":"done"`, `"next_cursor":"`}},
		{Name: "progress by a user", As: alice, Do: "GET /products/imports", Want: 403},
		{Name: "export by a user", As: alice, Do: "GET /products/export", Want: 403},
		{Name: "export", As: admin, Do: "GET /products/export", Want: 200, HasNot: []string{"C-2"},
			Has: []string{"sku,name,", `C-1,Chair again,"two`, `,tables,,de,"{""legs"":4}",{},2,3`}},
		{Name: "export of another kind", As: admin, Do: "GET /products/export?format=xml", Want: 422},
	})
	t.Run("an export is an import", func(t *testing.T) {
		for _, format := range []string{"csv", "jsonl"} {
			_, file := kittest.Do(t, app, kittest.Call{As: admin, Do: "GET /products/export?format=" + format})
			header := map[string]map[string]string{"csv": csv, "jsonl": lines}[format]
			kittest.Run(t, app, db, []kittest.Call{{Name: format, As: admin, Do: "POST /products/import", Body: string(file), Header: header, Want: 200,
				Has: []string{`"created":0,"updated":0,"unchanged":3,"failed":0`}}})
		}
	})
}

// endless is a file of n rows that is made while it is read, and tells how much memory there was at most.
type endless struct {
	n, made int
	rest    []byte
	peak    uint64
}

func (e *endless) Read(p []byte) (int, error) {
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

// TestAFileOfAnyLength: ten times the rows take no more memory, and each of them is there.
func TestAFileOfAnyLength(t *testing.T) {
	db, s := open(t)
	file := &endless{n: 10_000}
	r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", "application/x-ndjson", file)
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
		t.Errorf("%d products have no right stock, %v", wrong, err)
	}
}

// TestABrokenImport ends in the middle: what was read is there, and it is known to be broken.
func TestABrokenImport(t *testing.T) {
	_, s := open(t)
	gone := errors.New("the connection is gone")
	first := &endless{n: 700}
	r, err := s.Import(t.Context(), shop.UserID{UUID: shop.NewID()}, "", "application/x-ndjson", io.MultiReader(first, failing{gone}))
	if !errors.Is(err, gone) || r.Created != 500 {
		t.Errorf("%+v, %v", r.ProductImport, err)
	}
	all, err := s.Imports(t.Context(), web.PageQuery{Limit: 1})
	if err != nil || all.Items[0].State != transfer.Broken || all.Items[0].Created != 500 {
		t.Errorf("%+v, %v", all, err)
	}
	if r, err = s.Import(t.Context(), shop.UserID{}, "", "application/x-ndjson", &endless{n: 700}); err != nil || r.Unchanged != 500 || r.Created != 200 {
		t.Errorf("again: %+v, %v", r.ProductImport, err)
	}
}

// TestAnImportSentAgain answers as it did the first time and does nothing more; what broke is taken up, by whoever sends it again.
func TestAnImportSentAgain(t *testing.T) {
	db, s := open(t)
	who, other := shop.UserID{UUID: shop.NewID()}, shop.UserID{UUID: shop.NewID()}
	send := func(who shop.UserID, key string, n int) (transfer.ProductImportReport, error) {
		return s.Import(t.Context(), who, key, "application/x-ndjson", &endless{n: n})
	}
	first, err := send(who, "k", 700)
	if err != nil || first.Created != 700 {
		t.Fatalf("%+v, %v", first.ProductImport, err)
	}
	if again, err := send(who, "k", 700); err != nil || again.Created != 700 || again.ID != first.ID || !again.SeenAt.Equal(first.SeenAt) || again.Errors == nil {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := send(who, "k", 701); !errors.Is(err, idempotency.ErrReused) {
		t.Errorf("another file: %v", err)
	}
	if of, err := send(other, "k", 700); err != nil || of.Unchanged != 700 || of.ID == first.ID {
		t.Errorf("a key belongs to its user: %+v, %v", of.ProductImport, err)
	}
	gone := errors.New("the connection is gone")
	if _, err := s.Import(t.Context(), who, "b", "application/x-ndjson", io.MultiReader(&endless{n: 600}, failing{gone})); !errors.Is(err, gone) {
		t.Fatal(err)
	}
	if r, err := send(who, "b", 800); err != nil || r.Created != 100 || r.Unchanged != 700 {
		t.Errorf("what broke is taken up: %+v, %v", r.ProductImport, err)
	}
	if _, err := db.Exec(t.Context(), `update imports set state = 'running', seen_at = now() where id = $1`, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := send(who, "k", 700); !errors.Is(err, transfer.ErrRunning) {
		t.Errorf("while the first is under way: %v", err)
	}
	if _, err := db.Exec(t.Context(), `update imports set started_at = now() - interval '25 hours' where id = $1`, first.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := send(who, "k", 700); err != nil || r.ID == first.ID || r.Unchanged != 700 {
		t.Errorf("a day later: %+v, %v", r.ProductImport, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// BenchmarkImport is how many rows a second come in, and go out, with 100,000 of them, and in how much memory.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		_, s := open(b)
		file, start := &endless{n: 100_000}, time.Now()
		if r, err := s.Import(context.Background(), shop.UserID{}, "", "application/x-ndjson", file); err != nil || r.Created != file.n {
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
