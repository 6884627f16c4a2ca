package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// records reads the records of a CSV file (RFC 4180) in constant memory. Unlike encoding/csv, it keeps line ends inside
// quotes as they are, bounds a record, and reports the line of a quote that is never closed. Lines end in \n, in \r\n,
// or in \r if the first one does.
type records struct {
	from  *bufio.Reader
	line  int  // of the next byte, from 1
	cr    bool // lines end in \r
	begun bool // the first record has been read

	start, size int // of the record: its first line, and its bytes so far
	cells       []string
	cell        []byte
	quoteLine   int // of the quote that is open, or 0
}

// otherSeparators separate cells in files that are no CSV of ours.
var otherSeparators = map[byte]string{';': "semicolon", '\t': "tab", '|': "vertical bar"}

func newRecords(from io.Reader) *records { return &records{from: bufio.NewReader(from), line: 1} }

// A cellError is why a record cannot be split into cells. The next record is that of the next line.
type cellError struct {
	cell    int // from 0
	message string
}

func (e *cellError) Error() string { return fmt.Sprintf("cell %d %s", e.cell+1, e.message) }

// An unclosedError means that the file ended inside quotes.
type unclosedError struct{ cell, line, last int }

func (e *unclosedError) Error() string {
	unread := fmt.Sprintf("lines %d to %d were not read", e.line, e.last)
	if e.last <= e.line {
		unread = "this line was not read"
	}
	return fmt.Sprintf("the file ended inside a quote that was opened at line %d and never closed; %s", e.line, unread)
}

// A sizeError means that a record has more than maxRecordBytes. quoteLine is that of the quote that it ended in, or 0.
type sizeError struct{ line, quoteLine int }

func (e *sizeError) Error() string {
	text := fmt.Sprintf("the record that begins at line %d has more than 1 MiB", e.line)
	if e.quoteLine > 0 {
		text += fmt.Sprintf("; a quote that was opened at line %d is not closed in it", e.quoteLine)
	}
	return text
}

// next returns the cells of the next record and its line. Blank lines are skipped. It fails with a cellError, after
// which it may be called again; with an unclosedError or a sizeError; with an error of the file; or with io.EOF.
func (r *records) next() (line int, cells []string, err error) {
	for {
		r.start, r.size, r.quoteLine, r.cells = r.line, 0, 0, nil
		quoted, err := r.record()
		r.begun = r.begun || len(r.cells) > 0
		blank := !quoted && len(r.cells) == 1 && strings.TrimSpace(r.cells[0]) == ""
		if err != nil || !blank {
			return r.start, r.cells, err
		}
	}
}

// record reads a record. quoted reports whether it has a quote.
func (r *records) record() (quoted bool, err error) {
	for {
		r.cell = r.cell[:0]
		b, err := r.read()
		if errors.Is(err, io.EOF) && len(r.cells) == 0 {
			return quoted, err
		}
		var end bool
		if err == nil && b == '"' {
			quoted, r.quoteLine = true, r.line
			end, err = r.quotedCell()
			r.quoteLine = 0
		} else {
			end, err = r.plainCell(b, err)
		}
		if err != nil {
			return quoted, err
		}
		r.cells = append(r.cells, string(r.cell))
		if end {
			return quoted, nil
		}
	}
}

// plainCell reads a cell without quotes from its first byte. end reports whether the record ends with it.
func (r *records) plainCell(b byte, err error) (end bool, _ error) {
	for ; err == nil; b, err = r.read() {
		ended, endErr := r.ends(b)
		switch {
		case endErr != nil || ended:
			return true, endErr
		case b == ',':
			return false, nil
		case b == '"':
			return false, r.refuse("has a quote but does not begin with one; quote the cell, and write each quote inside it twice")
		}
		r.cell = append(r.cell, b)
	}
	return true, ignoreEOF(err)
}

// quotedCell reads a cell after its first quote.
func (r *records) quotedCell() (end bool, err error) {
	for {
		b, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			last := r.line
			if n := len(r.cell); n > 0 && r.endsLine(r.cell[n-1]) {
				last--
			}
			return true, &unclosedError{len(r.cells), r.quoteLine, last}
		case err != nil:
			return true, err
		case b != '"':
			r.cell = append(r.cell, b)
			continue
		}
		if b, err = r.read(); err != nil {
			return true, ignoreEOF(err)
		}
		ended, err := r.ends(b)
		switch {
		case err != nil || ended:
			return true, err
		case b == ',':
			return false, nil
		case otherSeparators[b] != "":
			return false, r.refuse("is followed by a " + otherSeparators[b] + "; cells are separated by commas")
		case b != '"':
			return false, r.refuse("goes on after its closing quote; write each quote inside the cell twice")
		}
		r.cell = append(r.cell, b)
	}
}

// ends reports whether a byte outside quotes ends the record. It reads the rest of the line's end.
func (r *records) ends(b byte) (bool, error) {
	switch b {
	case '\n':
		return true, nil
	case '\r':
	default:
		return false, nil
	}
	next, err := r.from.Peek(1)
	switch {
	case err == nil && next[0] == '\n':
		_, err = r.read()
		return true, err
	case errors.Is(err, io.EOF), r.cr:
		return true, nil
	case err != nil:
		return true, err
	case !r.begun:
		r.cr, r.line = true, r.line+1
		return true, nil
	}
	return false, r.refuse("has a carriage return that ends no line; quote the cell")
}

// refuse skips the rest of the line.
func (r *records) refuse(message string) error {
	refusal := &cellError{len(r.cells), message}
	for {
		b, err := r.read()
		switch {
		case errors.Is(err, io.EOF), err == nil && r.endsLine(b):
			return refusal
		case err != nil:
			return err
		}
	}
}

func (r *records) endsLine(b byte) bool { return b == '\n' && !r.cr || b == '\r' && r.cr }

func (r *records) read() (byte, error) {
	b, err := r.from.ReadByte()
	if err != nil {
		return 0, err
	}
	if r.size++; r.size > maxRecordBytes {
		return 0, &sizeError{r.start, r.quoteLine}
	}
	if r.endsLine(b) {
		r.line++
	}
	return b, nil
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
