package product_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sidecart/apps/products/internal/product"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// finds fails unless a list has exactly the products of these SKUs, in any order.
func finds(t *testing.T, app *web.App, query string, want ...string) {
	t.Helper()
	status, body := kittest.Do(t, app, kittest.Call{Do: "GET /products?limit=100&" + query})
	if status != 200 {
		t.Fatalf("%s: %d: %s", query, status, body)
	}
	got := []string{}
	for _, p := range kittest.Field[[]product.Product](t, body, "items") {
		got = append(got, p.SKU)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s finds %v, want %v", query, got, want)
	}
}

// newShop has one category and products that are given as JSON, without price and category.
func newShop(t *testing.T, products ...string) (app *web.App, admin shop.Caller) {
	t.Helper()
	app, admin = newCatalogue(t)
	for _, p := range products {
		kittest.Run(t, app, nil, []kittest.Call{{Name: p, As: admin, Do: "POST /products", Body: `{"category_id":1,` + p + `}`, Want: 201}})
	}
	return app, admin
}

// named are products by SKU: the SKU is S and the position.
func named(names ...string) (products []string) {
	for i, name := range names {
		products = append(products, fmt.Sprintf(`"name":%q,"sku":"S%d","price":1`, name, i))
	}
	return products
}

// TestScriptsWithoutSpaces: a name is found by each part of it where a script does not separate words.
func TestScriptsWithoutSpaces(t *testing.T) {
	app, _ := newShop(t, named("红色运动鞋", "赤いスニーカー", "รองเท้ากีฬาสีแดง", "Nike运动鞋42码", "ルイ・ヴィトンの財布", "남성운동화", "ເກີບກິລາ", "ស្បែកជើងកីឡា",
		"အားကစားဖိနပ်", "动运鞋", "Nike Hose")...)
	for q, want := range map[string]string{
		"运动鞋": "S0 S3", "红色运动鞋": "S0", "红色": "S0", "运动": "S0 S3", "红": "S0", "鞋": "S0 S3 S9", "色运": "S0", "运动鞋 红色": "S0", "动运": "S9",
		"スニーカー": "S1", "赤い": "S1", "赤いスニーカー": "S1", "ニーカ": "S1", "ｽﾆｰｶｰ": "S1", "ー": "S1", "青": "",
		"กีฬา": "S2", "รองเท้า": "S2", "สีแดง": "S2", "แดง รองเท้า": "S2",
		"Nike 运动鞋": "S3", "nike运动鞋": "S3", "ＮＩＫＥ": "S3 S10", "42码": "S3", "运动鞋 42": "S3", "nikee 运动鞋": "S3",
		"ヴィトン": "S4", "ルイヴィトン": "S4", "ルイ ヴィトン": "S4", "財布": "S4",
		"운동화": "S5", "남성": "S5", "운동": "S5", "ກິລາ": "S6", "កីឡា": "S7", "ဖိနပ်": "S8",
	} {
		finds(t, app, "q="+url.QueryEscape(q), strings.Fields(want)...)
	}
}

// TestPunctuation: a word is found however it is divided, and however a query divides it.
func TestPunctuation(t *testing.T) {
	app, admin := newShop(t,
		`"name":"Wi-Fi Router","sku":"WH-001-B","price":1`, `"name":"Wifi Repeater","sku":"WR002C","price":1`,
		`"name":"Wire Filter","sku":"WH-0019","price":1`,
		`"name":"T-shirts","sku":"A","price":1`, `"name":"Tshirt Grün","sku":"B","price":1`, `"name":"USB-C cable","sku":"C","price":1`,
		`"name":"USBC hub","sku":"D","price":1`, `"name":"Jack 3.5mm","sku":"E","price":1`, `"name":"Jack 3,5 mm","sku":"F","price":1`,
		`"name":"Speaker of AT&T","sku":"G","price":1`, `"name":"Rock'n'Roll Poster","sku":"H","price":1,"brand":"L'Oréal"`,
		`"name":"C++ Primer","sku":"I","price":1`, `"name":"C# in Depth","sku":"J","price":1`, `"name":"Men’s Bluetooth Headphones","sku":"K","price":1`,
		`"name":"Bottle 100 ml","sku":"L","price":1,"attributes":{"shade":"Türkis","code":"X-42"}`, `"name":"Bottle 500ml","sku":"M","price":1`,
		`"name":"Nike™ Café\u0301 mug","sku":"N","price":1,"description":"Works at 802.11ax-Wi-Fi"`, `"name":"Ёлка новогодняя","sku":"O","price":1`,
		`"name":"हिन्दी किताब","sku":"P","price":1`, `"name":"Wire\u00adless lamp","sku":"Q","price":1`)
	for q, want := range map[string]string{
		"wifi": "WH-001-B WR002C N", "wi fi": "WH-001-B WR002C WH-0019 N", "wi-fi": "WH-001-B WR002C N", "WI‑FI": "WH-001-B WR002C N", "wifi router": "WH-001-B",
		"WH001B": "WH-001-B", "wh001": "WH-001-B WH-0019", "WH-001": "WH-001-B WH-0019", "WH 001 B": "WH-001-B", "WH-001-B": "WH-001-B", "001B": "WH-001-B",
		"WR-002-C": "WR002C", "wr 002 c": "WR002C", "wr-002": "WR002C", "WR002C": "WR002C", "wh_001/b": "WH-001-B",
		"tshirt": "A B", "t-shirt": "A B", "t shirt": "A B", "T-Shirts": "A B", "tshirrt": "A B", "grun": "B",
		"usbc": "C D", "usb-c": "C D", "usb c": "C D",
		"3.5mm": "E F", "3,5": "E F", "3.5 mm": "E F", "35mm": "E",
		"AT&T": "G", "att": "G", "rock'n'roll": "H", "rock n roll": "H", "rocknroll": "H", "loreal": "H", "L'Oréal": "H", "l’oreal": "H",
		"C++": "I", "c#": "J", "mens headphones": "K", "men's": "K", "blue-tooth": "K", "head phones": "K", "headphones,bluetooth": "K",
		"100ml": "L", "100 ml": "L", "500 ml": "M", "500ml bottle": "M", "turkis": "L", "X42": "L", "x-42": "L",
		"nike": "N", "cafe": "N", "CAFÉ": "N", "елка": "O", "ЁЛКА": "O", "किताब": "P", "हिन्दी": "P", "wireless": "Q",
	} {
		finds(t, app, "q="+url.QueryEscape(q), strings.Fields(want)...)
	}
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "too many words", Do: "GET /products?q=" + strings.Repeat("a+b+", 20), Want: 200},
		{Name: "more different words than are searched", Do: "GET /products?q=a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+q+r+s+t+u+v+w", Want: 422,
			Has: []string{`"q":"must have at most`}},
		{Name: "rename", As: admin, Do: "PATCH /products/1", Body: `{"name":"E-Bike"}`, Want: 200},
		{Name: "a changed name", Do: "GET /products?q=ebike", Want: 200, Has: []string{`"E-Bike"`}},
	})
}

// TestOddSearches: each text is searched for, and none fails.
func TestOddSearches(t *testing.T) {
	app, _ := newShop(t, named("Lamp")...)
	for _, q := range []string{
		" ", "!", "'", "''", `\`, `\\'`, ":*", "a:*", "& | ! ( ) <->", "%", "_", `"`, "🎧", "🎧🎧 🎧", "\u0301\u0301", "e\u0301", "\u200b", "\u2060\ufeff", "ﷺ", "㍿", "½",
		"\ufffd", "\U0010ffff", "\u202e", "'a':* | 'b'", "a<->b", strings.Repeat("ﷺ", 200), strings.Repeat("语", 200), strings.Repeat("ก็", 100), strings.Repeat("a-", 100),
		strings.Repeat("1a", 100), strings.Repeat("x", 200), strings.Repeat("𠀀", 200), "<script>", "-1", "1e400", "NaN", "0x10", "A\u0328\u0301",
	} {
		finds(t, app, "q="+url.QueryEscape(q))
	}
}
