package transfer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/event"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// messy is an app into which an admin imports what spreadsheets and scripts really send.
type messy struct {
	db    *pgxpool.Pool
	app   *web.App
	admin shop.Caller
}

func newMessy(t *testing.T) messy {
	db, s := open(t)
	app := web.New("products", web.Config{Verify: kittest.Verify, Streaming: true})
	s.Routes(app)
	product.NewService(event.NewOutbox(db), "en", "USD").Routes(app)
	return messy{db, app, kittest.NewCaller(shop.Admin)}
}

func (m messy) send(name, mediaType, file string, want int, has ...string) kittest.Call {
	return kittest.Call{Name: name, As: m.admin, Do: "POST /products/import", Body: file, Header: map[string]string{"Content-Type": mediaType}, Want: want, Has: has}
}

func changes(n int, call kittest.Call) kittest.Call {
	for range n {
		call.Emits = append(call.Emits, "products.changed")
	}
	return call
}

func getProduct(id int, has ...string) kittest.Call {
	return kittest.Call{Name: fmt.Sprint("product ", id), Do: fmt.Sprintf("GET /products/%d", id), Want: 200, Has: has}
}

const (
	messyHeader = "sku,name,price,category,initial_quantity,description,attributes\n"
	failed1     = `"created":0,"updated":0,"unchanged":0,"failed":1`
)

func messyRow(sku, price, quantity, description, attributes string) string {
	return fmt.Sprintf("%s%s,Thing,%s,chairs,%s,%s,%s\n", messyHeader, sku, price, quantity, description, attributes)
}

// TestHeaders: a header that is not one of known, distinct columns is refused with all that is wrong.
func TestHeaders(t *testing.T) {
	m := newMessy(t)
	var calls []kittest.Call
	for _, file := range []struct{ name, file, has string }{
		{"nothing", "", "the file is empty"}, {"blank lines only", "\n \n\r\n", "the file is empty"}, {"a mark only", "\xef\xbb\xbf", "the file is empty"},
		{"semicolons", "sku;name;price\nA;x;1\n", "separated by commas, and this header has semicolons"},
		{"semicolons after quotes", "\"sku\";\"name\"\n", "cell 1 is followed by a semicolon; cells are separated by commas"},
		{"tabs", "sku\tname\tprice\nA\tx\t1\n", "separated by commas, and this header has tabs"},
		{"unknown columns", "sku,colour,Name,weight\n", `unknown: \"colour\", \"Name\", \"weight\"`}, {"a column twice", "sku,name,price,name\n", `given twice: \"name\"`},
		{"an attribute twice", "sku,attr.a,attr.a\n", `given twice: \"attr.a\"`}, {"all that is wrong", "price,price,colour\n", `unknown: \"colour\"; given twice: \"price\"; missing: \"sku\"`},
		{"a column with spaces", "sku, name\n", `unknown: \" name\"`}, {"an attribute without a name", "sku,attr.\n", `unknown: \"attr.\"`},
		{"attributes twice", "sku,attributes,attr.a\n", `\"attributes\" beside columns of single attributes`},
		{"a header in Windows-1252", "sku,attr.Gr\xf6\xdfe\n", `unknown: \"attr.Gr\\xf6\\xdfe\"`}, {"UTF-16", "s\x00k\x00u\x00\n\x00", `unknown: \"s\\x00k\\x00u\\x00\"`},
		{"an empty name", "sku,,name\n", `unknown: \"\"`}, {"a quote that is never closed", "sku,\"name\nA,x\n", "inside a quote that was opened at line 1"},
	} {
		calls = append(calls, m.send("header: "+file.name, "text/csv", file.file, 422, `"file":"the header is wrong: `, file.has))
	}
	kittest.Run(t, m.app, m.db, append(calls, m.send("header only", "text/csv", messyHeader, 200, `"state":"done","rows":0`)))
}

// TestCells: a cell that cannot be stored as it was sent is refused with its line and its column.
func TestCells(t *testing.T) {
	m := newMessy(t)
	calls := []kittest.Call{
		m.send("a thousands separator without quotes", "text/csv", messyRow("N", "1,000.00", "", "", ""), 200, failed1, `"line":2,"sku":"N"`, "has 8 cells, and the header 7"),
		m.send("NUL", "text/csv", messyRow("N", "1", "", "a\x00b", ""), 200, failed1, `"description":"must not contain a NUL character"`),
		m.send("a bare quote", "text/csv", messyRow("N", "1", "", `5" pipe`, ""), 200, failed1, `"line":2`, `"description":"has a quote but`),
	}
	for _, price := range []string{`"1,000.00"`, "1.000", "-1", "1e99999", "1e-99999", "0e-99999", "1.001", "0x10", "5 EUR", "$5", "NaN", "null", "true", `"""5"""`, "５", "+5", ".5", "1000000000000"} {
		calls = append(calls, m.send("price "+price, "text/csv", messyRow("N", price, "", "", ""), 200, failed1, `"line":2,"sku":"N"`, `"errors":{"price":`))
	}
	for _, quantity := range []string{"1.5", "-1", "1e99", "1e99999", "1e-99999", "99999999999999999999", `"1,000"`, "null", "ten", "true", "[1]"} {
		calls = append(calls, m.send("quantity "+quantity, "text/csv", messyRow("N", "1", quantity, "", ""), 200, failed1, `"line":2,"sku":"N"`, `"errors":{"initial_quantity":`))
	}
	for _, attributes := range []string{"red", "null", "[]", `"{""a"":1,}"`, `"{""a"":null}"`, `"{""a"":1e999}"`, `"{""a"":1e-99999}"`, `"{""a"":0e-99999}"`, `"{""a"":1,""a"":2}"`, `"{""a"":""\ud800""}"`, `"{""a"":[1]}"`, `"{""a"":""x\ny""}"`} {
		calls = append(calls, m.send("attributes "+attributes, "text/csv", messyRow("N", "1", "", "", attributes), 200, failed1, `"line":2`, `"errors":{"attributes`))
	}
	for member, field := range map[string]string{
		`"attributes":{"weight":1e-99999}`: "attributes.weight", `"metadata":{"a":{"b":1}}`: "metadata.a", `"price":1e99999`: "price", `"price":"5"`: "price", `"name":"x","price":5.000`: "price",
		`"name":"a\ud800b"`: "name", `"attributes":{"a":"\udfff"}`: "attributes.a", `"attributes":{"color":"red","color":"blue"}`: "attributes.color",
		`"name":"\u2060\ufeff"`: "name", `"description":"a\u0000b"`: "description", `"initial_quantity":1e99`: "initial_quantity", `"colour":"red"`: "colour",
	} {
		line := `{"sku":"N","category":"chairs",` + member + "}\n"
		calls = append(calls, m.send(member, "application/x-ndjson", "\n"+line, 200, failed1, `{"line":2,"sku":"N","code":"invalid"`, `"`+field+`":`))
	}
	calls = append(calls, m.send("bytes that are not UTF-8", "application/x-ndjson", `{"sku":"N","attributes":{"a":"`+"\xe9"+`"}}`, 200, failed1, `"line":1,"sku":"N"`, `"attributes":"is not UTF-8"`))
	kittest.Run(t, m.app, m.db, calls)
	var none int
	if err := m.db.QueryRow(t.Context(), `select count(*) from products`).Scan(&none); err != nil || none != 0 {
		t.Errorf("%d products of refused rows, %v", none, err)
	}
}

// TestCharsets: a file is decoded from the charset of its Content-Type, and bytes that are no text in it are refused.
func TestCharsets(t *testing.T) {
	m := newMessy(t)
	kittest.Run(t, m.app, m.db, []kittest.Call{
		m.send("not UTF-8", "text/csv", messyHeader+"N,x,1,chairs,,Caf\xe9 au lait,\n", 200, failed1, `{"line":2,"sku":"N"`, `"description":"is not UTF-8: it has the byte 0xe9`),
		m.send("not UTF-8 in an attribute", "text/csv", "sku,attr.drink\nN,Caf\xe9\n", 200, failed1, `"attr.drink":"is not UTF-8`),
		m.send("not UTF-8 in the SKU", "text/csv", "sku,name\nN\xe9,x\n", 200, failed1, `"sku":"is not UTF-8`),
		m.send("half a character", "text/csv; charset=utf-8", messyHeader+"N,x,1,chairs,,Caf\xc3,\n", 200, failed1, `"description":"is not UTF-8`),
		m.send("JSON lines not UTF-8", "application/x-ndjson", `{"sku":"N","name":"x"`+"}\n"+`{"sku":"N","name":"Caf`+"\xe9"+`"}`, 200, `"failed":2`,
			`{"line":2,"sku":"N","code":"malformed_line","detail":"the line cannot be read","errors":{"name":"is not UTF-8"}}`),
		m.send("unknown charset", "text/csv; charset=klingon", messyHeader, 415, `"unsupported_charset"`),
		m.send("a charset without a decoder", "text/csv; charset=iso-2022-kr", messyHeader, 415, `"unsupported_charset"`),
		m.send("JSON lines in another charset", "application/x-ndjson; charset=windows-1252", `{}`, 415, `"unsupported_charset"`),
		changes(1, m.send("UTF-8", "text/csv; charset=UTF-8", messyHeader+"U-1,x,1,chairs,,Café \ufffd,\n", 200, `"created":1`)), getProduct(1, "\"description\":\"Café \ufffd\""),
		changes(1, m.send("Windows-1252", `text/csv; charset="Windows-1252"`, messyHeader+"W-1,x,1,chairs,,Caf\xe9 \x80 5,\n", 200, `"created":1`)), getProduct(2, `"description":"Café € 5"`),
		changes(1, m.send("ISO-8859-1", "text/csv; charset=iso-8859-1", messyHeader+"W-2,x,1,chairs,,Caf\xe9,\n", 200, `"created":1`)), getProduct(3, `"description":"Café"`),
		changes(1, m.send("Shift JIS", "text/csv; charset=shift_jis", messyHeader+"W-3,x,1,chairs,,\x83\x5c\x95\x5c,\n", 200, `"created":1`)), getProduct(4, `"description":"ソ表"`),
		changes(1, m.send("UTF-16", "text/csv; charset=utf-16", "\xff\xfe"+utf16(messyHeader+"W-4,x,1,chairs,,é,\n"), 200, `"created":1`)), getProduct(5, `"description":"é"`),
		m.send("bytes that the charset does not have", "text/csv; charset=windows-1252", messyHeader+"N,x,1,chairs,,a\x81b,\n", 200, failed1, `"description":"has bytes that are no text in windows-1252"`),
		m.send("bytes that Shift JIS does not have", "text/csv; charset=shift_jis", messyHeader+"N,x,1,chairs,,a\xffb,\n", 200, failed1, `"description":"has bytes`),
		changes(1, m.send("a byte order mark in JSON lines", "application/x-ndjson; charset=utf-8", "\xef\xbb\xbf"+`{"sku":"B-1","name":"x","price":1,"category_id":1}`, 200, `"created":1`)),
	})
}

// TestMessyFiles: each row of a file that is odd or ends early is stored as sent, or named in the report.
func TestMessyFiles(t *testing.T) {
	m := newMessy(t)
	kittest.Run(t, m.app, m.db, []kittest.Call{
		changes(1, m.send("numbers as JSON has them", "text/csv", messyRow("E-1", "1E+2", "2e0", "", ""), 200, `"created":1`)), getProduct(1, `"price":100.00`, `"available":2`),
		changes(1, m.send("attributes", "application/x-ndjson", `{"sku":"E-1","attributes":{"color":"red","weight":5}}`, 200, `"updated":1`)),
		changes(1, m.send("a cell of an attribute", "text/csv", "sku,attr.size,attr.color\nE-1,,blue\n", 200, `"updated":1`)), getProduct(1, `"attributes":{"color":"blue","weight":5}`),
		m.send("empty cells of attributes", "text/csv", "sku,attr.size,attr.color\nE-1,,\n", 200, `"unchanged":1`),
		m.send("both categories", "text/csv", "sku,category,category_id\nE-1,tables,1\n", 200, failed1, `"category":"is another one than category_id"`),
		changes(1, m.send("the same category twice", "text/csv", "sku,category,category_id\nE-1,tables,2\n", 200, `"updated":1`)),

		changes(3, m.send("spellings of a SKU", "text/csv", messyHeader+"abc-1,x,1,chairs,,,\nK,x,1,chairs,,,\nABC-1,y,2,chairs,,,\nabc-1,x,3,chairs,,,\n", 200,
			`"created":2,"updated":1,"unchanged":0,"failed":1`, `{"line":4,"sku":"ABC-1","code":"sku_taken"`, `"sku":"is taken by abc-1: SKUs differ in more than case; line 2 has that one"`)),
		m.send("another spelling of an existing SKU", "text/csv", "sku,price\nAbc-1,5\n", 200, failed1, `"line":2,"sku":"Abc-1","code":"sku_taken"`, `"sku":"is taken by abc-1: SKUs`),

		changes(1, m.send("carriage returns alone end lines", "text/csv", "sku,name,price,category\rR-1,x,1,chairs\r\rR-2,,1,chairs\r", 200, `"created":1`, `"failed":1`, `"line":4,"sku":"R-2"`)),
		changes(1, m.send("a quote that is never closed", "text/csv", "sku,name,price,category\nQ-1,x,1,chairs\nQ-2,\"x,1,chairs\nQ-3,x,1,chairs\nQ-4,x,1,chairs\n", 200,
			`"state":"broken","rows":2,"created":1,"updated":0,"unchanged":0,"failed":1`, `{"line":3,"sku":"","code":"unclosed_quote",`,
			`the file ended inside a quote that was opened at line 3 and never closed; lines 3 to 5 were not read`)),
		changes(1, m.send("a row of 10 MB", "text/csv", "sku,name,price,category\nT-1,x,1,chairs\nT-2,"+strings.Repeat("x", 10<<20)+",1,chairs\nT-3,x,1,chairs\n", 413,
			`"line_too_long"`, `the record that begins at line 3 has more than 1 MiB; the rows before it were imported`)),
		changes(1, m.send("a line of 10 MB", "application/x-ndjson", `{"sku":"T-4","name":"x","price":1,"category_id":1}`+"\n"+`{"sku":"`+strings.Repeat("x", 10<<20)+`"}`, 413,
			`"line_too_long"`, `begins at line 2`)),
		changes(1, m.send("formulas", "text/csv", "sku,name,price,category,brand,attr.note,description\n"+
			"F-1,=1+1,1,chairs,'=1+1,'@x,''=1\n", 200, `"created":1`)), kittest.Call{Name: "imported formulas", Do: "GET /products?limit=1", Want: 200, Has: []string{`"name":"=1+1"`, `"brand":"=1+1"`, `"attributes":{"note":"@x"}`, `"description":"'=1"`}},
		kittest.Call{Name: "export", As: m.admin, Do: "GET /products/export", Want: 200, Has: []string{"F-1,'=1+1,''=1,", ",chairs,'=1+1,en,"}},
	})
	var none int
	if err := m.db.QueryRow(t.Context(), `select count(*) from products where sku in ('R-2', 'Q-2', 'Q-3', 'T-2', 'T-3')`).Scan(&none); err != nil || none != 0 {
		t.Errorf("%d products of refused rows, %v", none, err)
	}
}

// utf16 is an ASCII and Latin-1 text in UTF-16, little-endian.
func utf16(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}
