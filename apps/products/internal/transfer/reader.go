package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"sidecart/kit/fault"
	"sidecart/kit/web"
)

// The media types of a file.
const (
	csvType   = "text/csv"
	linesType = "application/x-ndjson"
)

// columns of a CSV: those whose cells are texts, and those whose cells are JSON as they stand.
var (
	textColumns = []string{"sku", "name", "description", "slug", "currency", "category", "brand", "language"}
	jsonColumns = []string{"price", "category_id", "attributes", "metadata", "initial_quantity", "low_stock_threshold"}
)

// readRows reads a file row by row. A row that cannot be read is told of and the next is read; what ends the reading is
// the last that is told of, with line 0.
func readRows(mediaType string, from io.Reader) iter.Seq[parsedRow] {
	if mediaType == csvType {
		return csvRows(from)
	}
	return jsonRows(from)
}

func jsonRows(from io.Reader) iter.Seq[parsedRow] {
	return func(yield func(parsedRow) bool) {
		lines := bufio.NewScanner(from)
		lines.Buffer(make([]byte, 0, 64<<10), maxLineBytes)
		for line := 1; lines.Scan(); line++ {
			text := bytes.TrimSpace(lines.Bytes())
			if len(text) > 0 && !yield(parseRow(line, text)) {
				return
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = ErrLongLine
		}
		if err != nil {
			yield(parsedRow{err: err})
		}
	}
}

func parseRow(line int, text []byte) parsedRow {
	n := parsedRow{line: line}
	n.err = web.Read(text, &n.row)
	return n
}

func csvRows(from io.Reader) iter.Seq[parsedRow] {
	return func(yield func(parsedRow) bool) {
		cells := csv.NewReader(skipBOM(from))
		cells.FieldsPerRecord = -1
		cells.ReuseRecord = true
		first, err := cells.Read()
		header := slices.Clone(first)
		if err == nil || errors.Is(err, io.EOF) {
			err = checkHeader(header)
		}
		if err != nil {
			yield(parsedRow{err: lineFault(err)})
			return
		}
		for {
			record, err := cells.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(rowOf(cells, header, record, err)) || isFatal(err) {
				return
			}
		}
	}
}

// rowOf makes of a record what a line of JSON would be, so that both are read in one way.
func rowOf(cells *csv.Reader, header, record []string, err error) parsedRow {
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return parsedRow{line: parse.StartLine, err: ErrLine.Wrap(err)}
	case err != nil:
		return parsedRow{err: err}
	}
	line, _ := cells.FieldPos(0)
	if len(record) != len(header) {
		return parsedRow{line: line, err: ErrLine.WithMessage(fmt.Sprintf("the line has %d cells, and the first line %d", len(record), len(header)))}
	}
	object, attributes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for i, cell := range record {
		name, isAttribute := strings.CutPrefix(header[i], "attr.")
		switch {
		case cell == "":
		case isAttribute:
			attributes[name] = quoted(cell)
		case slices.Contains(jsonColumns, header[i]) && json.Valid([]byte(cell)):
			object[header[i]] = json.RawMessage(cell)
		default:
			object[header[i]] = quoted(cell)
		}
	}
	if len(attributes) > 0 {
		object["attributes"] = mustJSON(attributes)
	}
	return parseRow(line, mustJSON(object))
}

func quoted(text string) json.RawMessage { return mustJSON(strings.ToValidUTF8(text, "\uFFFD")) }

func mustJSON(value any) json.RawMessage {
	text, _ := json.Marshal(value) // texts and what is JSON already can always be written
	return text
}

func checkHeader(header []string) error {
	seen := map[string]bool{}
	for _, name := range header {
		known := slices.Contains(textColumns, name) || slices.Contains(jsonColumns, name) || strings.HasPrefix(name, "attr.") && len(name) > 5
		if !known || seen[name] {
			return ErrHeader
		}
		seen[name] = true
	}
	if !seen["sku"] || seen["attributes"] && slices.ContainsFunc(header, func(name string) bool { return strings.HasPrefix(name, "attr.") }) {
		return ErrHeader
	}
	return nil
}

// isFatal says whether nothing can be read after an error.
func isFatal(err error) bool {
	var parse *csv.ParseError
	return err != nil && !errors.As(err, &parse)
}

// lineFault is a fault of a line, unless it is one already, or of the connection.
func lineFault(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return ErrLine.Wrap(err)
}

// skipBOM leaves out the byte order mark that spreadsheets write.
func skipBOM(from io.Reader) io.Reader {
	buffered := bufio.NewReader(from)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // they are there
	}
	return buffered
}
