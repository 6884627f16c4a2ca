package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"unicode/utf8"

	"sidecart/kit/web"
)

// The media types of files.
const (
	csvType   = "text/csv"
	linesType = "application/x-ndjson"
)

// readRows yields the rows of a file, also those that cannot be parsed. An error that ends the file is yielded last,
// with line 0.
func readRows(u *upload) iter.Seq[parsedRow] {
	if u.mediaType == csvType {
		return csvRows(u.charset, u)
	}
	return jsonRows(u)
}

func jsonRows(from io.Reader) iter.Seq[parsedRow] {
	return func(yield func(parsedRow) bool) {
		lines, line := bufio.NewScanner(skipBOM(from)), 1
		lines.Buffer(make([]byte, 0, 64<<10), maxRecordBytes)
		for ; lines.Scan(); line++ {
			text := bytes.TrimSpace(lines.Bytes())
			if len(text) > 0 && !yield(parseLine(line, text)) {
				return
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = &sizeError{line: line}
		}
		if err != nil {
			yield(parsedRow{err: readFault(err)})
		}
	}
}

// parseLine names the fields whose bytes are not UTF-8, which a body as a whole has no names for.
func parseLine(line int, text []byte) parsedRow {
	var members map[string]json.RawMessage
	if utf8.Valid(text) || json.Unmarshal(text, &members) != nil {
		return parseRow(line, text)
	}
	row, refusal := parsedRow{lineNumber: line}, ErrLine
	_ = json.Unmarshal(members["sku"], &row.row.SKU) // for the report, if it is a text
	for name, value := range members {
		if !utf8.Valid(value) {
			refusal = refusal.With(name, "is not UTF-8")
		}
	}
	row.err = refusal
	return row
}

func parseRow(line int, text []byte) parsedRow {
	n := parsedRow{lineNumber: line}
	n.err = web.Read(text, &n.row)
	return n
}

func csvRows(charset charset, from io.Reader) iter.Seq[parsedRow] {
	return func(yield func(parsedRow) bool) {
		file := newRecords(skipBOM(charset.decode(from)))
		header, err := readHeader(file)
		if err != nil {
			yield(parsedRow{err: err})
			return
		}
		for {
			line, cells, err := file.next()
			var cell *cellError
			var unclosed *unclosedError
			switch {
			case errors.Is(err, io.EOF):
				return
			case errors.As(err, &unclosed):
				yield(parsedRow{lineNumber: line, err: ErrUnclosed.WithMessage(unclosed.Error()).Wrap(err)})
				return
			case errors.As(err, &cell):
				if !yield(parsedRow{lineNumber: line, err: cellFault(header, cell)}) {
					return
				}
			case err != nil:
				yield(parsedRow{err: readFault(err)})
				return
			case !yield(parseCells(line, header, cells, charset.problem)):
				return
			}
		}
	}
}

// readHeader fails with ErrHeader, or if the file cannot be read.
func readHeader(file *records) ([]string, error) {
	_, header, err := file.next()
	var cell *cellError
	var unclosed *unclosedError
	switch {
	case errors.As(err, &cell):
		return nil, headerFault(cell.Error())
	case errors.As(err, &unclosed):
		return nil, headerFault(unclosed.Error())
	case err != nil && !errors.Is(err, io.EOF):
		return nil, readFault(err)
	}
	return header, checkHeader(header)
}

// skipBOM skips the byte order mark that spreadsheets write.
func skipBOM(from io.Reader) io.Reader {
	buffered := bufio.NewReader(from)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // cannot fail: they are buffered
	}
	return buffered
}
