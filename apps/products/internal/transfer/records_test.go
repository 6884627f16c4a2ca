package transfer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// readAll reads a file as "line: cell|cell" and "line: error".
func readAll(file string) (all []string) {
	records := newRecords(strings.NewReader(file))
	for {
		line, cells, err := records.next()
		var cell *cellError
		switch {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			if all = append(all, fmt.Sprintf("%d: %s", line, err)); !errors.As(err, &cell) {
				return all
			}
		default:
			all = append(all, fmt.Sprintf("%d: %s", line, strings.Join(cells, "|")))
		}
	}
}

func TestRecords(t *testing.T) {
	const bare = `has a quote but does not begin with one; quote the cell, and write each quote inside it twice`
	const after = `goes on after its closing quote; write each quote inside the cell twice`
	for file, want := range map[string][]string{
		"":                                        nil,
		"a,b\n1,2\n":                              {"1: a|b", "2: 1|2"},
		"a,b\r\n1,2\r\n":                          {"1: a|b", "2: 1|2"},
		"a,b\r1,2\r\r\"x\ry\",\r3,4":              {"1: a|b", "2: 1|2", "4: x\ry|", "6: 3|4"},
		"a\n\n \t\n1\n\n\n":                       {"1: a", "4: 1"},
		"a,\n,\n\"\"\n":                           {"1: a|", "2: |", "3: "},
		" a , b \n":                               {"1:  a | b "},
		"a\n\"1\r\n2\n\n3\"\nx":                   {"1: a", "2: 1\r\n2\n\n3", "6: x"},
		"a\n\"say \"\"hi\"\", ok\"\n":             {"1: a", `2: say "hi", ok`},
		"a,b\n1,5\" pipe\n2,x\n":                  {"1: a|b", "2: cell 2 " + bare, "3: 2|x"},
		"a,b\n\"1\" ,2\n3,4\n":                    {"1: a|b", "2: cell 1 " + after, "3: 3|4"},
		"a\nb\rc\n\"d\"\re\n\"f\rg\"":             {"1: a", "2: cell 1 has a carriage return that ends no line; quote the cell", "3: cell 1 has a carriage return that ends no line; quote the cell", "4: f\rg"},
		"a,b\n1,2\n3,\"x\n4,y\n5,z\n":             {"1: a|b", "2: 1|2", "3: the file ended inside a quote that was opened at line 3 and never closed; lines 3 to 5 were not read"},
		"a,b\n1,2\n3,\"x\n4,y\n5,z":               {"1: a|b", "2: 1|2", "3: the file ended inside a quote that was opened at line 3 and never closed; lines 3 to 5 were not read"},
		"a,b\n1,\"x\ny\",\"\n4\n":                 {"1: a|b", "2: the file ended inside a quote that was opened at line 3 and never closed; lines 3 to 4 were not read"},
		"a\n\"":                                   {"1: a", "2: the file ended inside a quote that was opened at line 2 and never closed; this line was not read"},
		"a\n" + strings.Repeat("x", 2<<20) + "\n": {"1: a", "2: the record that begins at line 2 has more than 1 MiB"},
		"a\n1\n\"\n" + strings.Repeat("x\n", 1<<20): {"1: a", "2: 1",
			"3: the record that begins at line 3 has more than 1 MiB; a quote that was opened at line 3 is not closed in it"},
		"a\n" + strings.Repeat("x", 1<<20-1) + "\nb": {"1: a", "2: " + strings.Repeat("x", 1<<20-1), "3: b"},
	} {
		if got := readAll(file); !slices.Equal(got, want) {
			t.Errorf("%.60q:\n got %.300q\nwant %.300q", file, got, want)
		}
	}
}

// FuzzRecords: no file breaks the reader, and what encoding/csv accepts is read as encoding/csv reads it, save that
// line ends inside quotes stay and lines of white space are blank.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"", "a,b\n1,2\n", "a\r\nb", "a\rb\r", "\"a\r\nb\",c\n", "a\n\"", "a,\"b\nc,d\n", `a,b"c` + "\n", `"a"b,c` + "\n", "\xef\xbb\xbfsku\n",
		"Caf\xe9 au lait,1\n", "a\x00b\n", " \n\t\n,\n", "\"\"\"\"\n", "a;b\tc|d\n", "=1+1,@x\n", "\r\n\r\n", "\"x\"\r", "a\n\n\"\"\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var got [][]string
		records, before := newRecords(bytes.NewReader(file)), 0
		for {
			line, cells, err := records.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if line <= before {
				t.Fatalf("line %d after line %d", line, before)
			}
			before = line
			var cell *cellError
			if err != nil && !errors.As(err, &cell) {
				break
			}
			got = append(got, cells)
		}
		if bytes.ContainsRune(file, '\r') {
			return
		}
		standard := csv.NewReader(bytes.NewReader(file))
		standard.FieldsPerRecord = -1
		if want, err := standard.ReadAll(); err == nil && len(file) < maxRecordBytes {
			want = slices.DeleteFunc(want, func(cells []string) bool { return len(cells) == 1 && strings.TrimSpace(cells[0]) == "" })
			got = slices.DeleteFunc(got, func(cells []string) bool { return len(cells) == 1 && strings.TrimSpace(cells[0]) == "" })
			if !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%q is %q, want %q", file, got, want)
			}
		}
	})
}

// FuzzCells: each text comes back from a file as it was, and never as a formula of a spreadsheet.
func FuzzCells(f *testing.F) {
	for _, seed := range []string{"line 1\r\nline 2", "=1+1", "'=1+1", "''", "'", "\t=x", "\r", "＝1", "'text", " =1", "a,b", `"`, "\n", "", " ", "-5 °C", "\\.", "\u2028"} {
		f.Add(seed, seed+"x")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if strings.ContainsAny(neutral(one)[:min(1, len(neutral(one)))], "=+-@\t\r\n") {
			t.Errorf("%q is a formula", neutral(one))
		}
		var file bytes.Buffer
		cells := csv.NewWriter(&file)
		for _, record := range [][]string{{"a", "b", "c"}, {neutral(one), neutral(two), "x"}, {"y", neutral(two), neutral(one)}} {
			if err := cells.Write(record); err != nil {
				t.Fatal(err)
			}
		}
		cells.Flush()
		records := newRecords(&file)
		for _, want := range [][]string{{"a", "b", "c"}, {one, two, "x"}, {"y", two, one}} {
			_, got, err := records.next()
			for i := range got {
				got[i] = undoFormula(got[i])
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("%q, want %q: %v", got, want, err)
			}
		}
	})
}

func TestFormulas(t *testing.T) {
	for text, cell := range map[string]string{
		"=1+1": "'=1+1", "+49 30": "'+49 30", "-5 °C": "'-5 °C", "@home": "'@home", "\tx": "'\tx", "\r\nx": "'\r\nx", "＝1": "'＝1",
		"'=1+1": "''=1+1", "''@": "'''@", "'text": "'text", "'": "'", "": "", "a=1": "a=1", " =1": " =1", "5": "5",
	} {
		if got := neutral(text); got != cell {
			t.Errorf("%q is written as %q, want %q", text, got, cell)
		}
		if got := undoFormula(cell); got != text {
			t.Errorf("%q is read as %q, want %q", cell, got, text)
		}
	}
	if got := undoFormula("=1+1"); got != "=1+1" {
		t.Errorf("a formula without an apostrophe is read as %q", got)
	}
}
