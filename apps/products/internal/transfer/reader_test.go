package transfer

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// FuzzRows: no file of either kind breaks the reader, rows come in the order of their lines, and an accepted row holds
// only what the file can hold: text in UTF-8 that is read again as it is.
func FuzzRows(f *testing.F) {
	const header = "sku,name,price,category,initial_quantity,description,attr.color\n"
	for _, rows := range []string{"A,Lamp,5,chairs,2,x,red\n", "A,Caf\xe9 au lait,5,,,,\n", "A,\"never closed,5\nB,x,1\n", "A,'=1+1,1e-99999,,,,\n", "A,x,1E+2,,2.0,,\n", "A,x,5.000,,2e0,,\n",
		"abc-1,x,1,,,,\nABC-1,y,1,,,,\n", "A,\u200b,1,,,,\n", "A,x,\"1,000.00\",,,,\n", "A,x,null,,,\"line 1\r\nline 2\",\n", "A,a\x00b,1,,,,\n", "\r\r\n", "A,5\" pipe,1\n"} {
		f.Add(true, "", []byte(header+rows))
		f.Add(true, "windows-1252", []byte(header+rows))
	}
	f.Add(true, "utf-16", []byte("\xff\xfes\x00k\x00u\x00\n\x00A\x00"))
	f.Add(true, "", []byte("sku;name\n"))
	for _, line := range []string{`{"sku":"A","name":"Lamp","price":5}`, `{"sku":"A","name":"Caf` + "\xe9" + `"}`, `{"sku":"A","name":"a\ud800b"}`, `{"sku":"A","attributes":{"color":"red","color":"blue"}}`,
		`{"sku":"A","attributes":{"weight":1e-99999}}`, `{"sku":"A","price":0e-99999}`, `{"sku":"A","price":1E+2,"initial_quantity":2.0}`, `{"sku":"A","name":"\u2060\ufeff"}`, `{"sku":`, `[1]`, `{}{}`,
		"\xef\xbb\xbf" + `{"sku":"A"}`, `{"sku":"A","sku":"B"}`, `{"SKU":"A"}`, `null`, `"x"`, strings.Repeat("[", 100)} {
		f.Add(false, "", []byte(line+"\n"+line))
	}
	f.Fuzz(func(t *testing.T, isCSV bool, charset string, file []byte) {
		body := web.Body{Reader: strings.NewReader(string(file)), MediaType: linesType}
		if isCSV {
			body.MediaType, body.Params = csvType, map[string]string{"charset": charset}
		}
		u, err := newUpload(shop.UserID{}, "", body)
		if err != nil {
			return
		}
		before := 0
		for row := range readRows(u) {
			if row.lineNumber == 0 && row.err == nil || row.lineNumber > 0 && row.lineNumber <= before {
				t.Fatalf("line %d after line %d: %v", row.lineNumber, before, row.err)
			}
			if before = row.lineNumber; row.err != nil {
				continue
			}
			text, err := json.Marshal(row.row)
			if err != nil || !utf8.Valid(text) || row.row.SKU == "" {
				t.Fatalf("%q: %v", text, err)
			}
			again := parseRow(row.lineNumber, text)
			again.row.AddAttributes = row.row.AddAttributes
			if !reflect.DeepEqual(again, row) {
				t.Fatalf("%q is read as %+v, %v", text, again.row, again.err)
			}
		}
	})
}
