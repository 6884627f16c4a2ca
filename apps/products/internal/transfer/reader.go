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

// The media types of files.
const (
	csvType   = "text/csv"
	linesType = "application/x-ndjson"
)

// Columns of a CSV file. The cells of jsonColumns are JSON.
var (
	textColumns = []string{"sku", "name", "description", "slug", "currency", "category", "brand", "language"}
	jsonColumns = []string{"price", "category_id", "attributes", "metadata", "initial_quantity", "low_stock_threshold"}
)

// readRows yields the rows of a file, also those that cannot be parsed. An error that ends the file is yielded last,
// with line 0.
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
	n := parsedRow{lineNumber: line}
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
			if !yield(parseRecord(cells, header, record, err)) || isFatal(err) {
				return
			}
		}
	}
}

// parseRecord converts a record to JSON and parses it as a line of JSON.
func parseRecord(cells *csv.Reader, header, record []string, err error) parsedRow {
	var parse *csv.ParseError
	switch {
	case errors.As(err, &parse):
		return parsedRow{lineNumber: parse.StartLine, err: ErrLine.Wrap(err)}
	case err != nil:
		return parsedRow{err: err}
	}
	line, _ := cells.FieldPos(0)
	if len(record) != len(header) {
		message := fmt.Sprintf("the line has %d cells, and the header %d", len(record), len(header))
		return parsedRow{lineNumber: line, err: ErrLine.WithMessage(message)}
	}
	object, attributes := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for i, cell := range record {
		name, attribute := strings.CutPrefix(header[i], "attr.")
		switch {
		case cell == "":
		case attribute:
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
	text, _ := json.Marshal(value) // cannot fail: strings and JSON
	return text
}

func isAttribute(column string) bool { return strings.HasPrefix(column, "attr.") }

func checkHeader(header []string) error {
	seen := map[string]bool{}
	for _, name := range header {
		known := slices.Contains(textColumns, name) || slices.Contains(jsonColumns, name) ||
			isAttribute(name) && name != "attr."
		if !known || seen[name] {
			return ErrHeader
		}
		seen[name] = true
	}
	if !seen["sku"] || seen["attributes"] && slices.ContainsFunc(header, isAttribute) {
		return ErrHeader
	}
	return nil
}

// isFatal reports whether reading cannot continue after an error.
func isFatal(err error) bool {
	var parse *csv.ParseError
	return err != nil && !errors.As(err, &parse)
}

// lineFault returns err if it is a fault, otherwise ErrLine.
func lineFault(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return ErrLine.Wrap(err)
}

// skipBOM skips the byte order mark that spreadsheets write.
func skipBOM(from io.Reader) io.Reader {
	buffered := bufio.NewReader(from)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // cannot fail: they are buffered
	}
	return buffered
}
