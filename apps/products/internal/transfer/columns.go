package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"sidecart/kit/fault"
)

// Columns of a CSV file, besides those of single attributes. The cells of jsonColumns are JSON.
var (
	textColumns = []string{"sku", "name", "description", "slug", "currency", "category", "brand", "language"}
	jsonColumns = []string{"price", "category_id", "attributes", "metadata", "initial_quantity", "low_stock_threshold"}
)

// attributeColumns are the columns of single attributes: the cells of attr.color are the color as text.
const attributeColumns = "attr."

func isAttribute(column string) bool { return strings.HasPrefix(column, attributeColumns) }

// checkHeader fails with ErrHeader, which says everything that is wrong.
func checkHeader(header []string) error {
	if len(header) == 0 {
		return headerFault("the file is empty")
	}
	if separator := otherSeparator(header); separator != "" {
		return headerFault("cells are separated by commas, and this header has " + separator)
	}
	var unknown, twice []string
	seen := map[string]bool{}
	for _, name := range header {
		attribute, isAttr := strings.CutPrefix(name, attributeColumns)
		switch {
		case seen[name]:
			twice = append(twice, name)
		case isAttr && attribute != "" && utf8.ValidString(attribute):
		case !slices.Contains(textColumns, name) && !slices.Contains(jsonColumns, name):
			unknown = append(unknown, name)
		}
		seen[name] = true
	}
	var wrong []string
	if len(unknown) > 0 {
		wrong = append(wrong, "unknown: "+quotedNames(unknown))
	}
	if len(twice) > 0 {
		wrong = append(wrong, "given twice: "+quotedNames(twice))
	}
	if !seen["sku"] {
		wrong = append(wrong, `missing: "sku"`)
	}
	if seen["attributes"] && slices.ContainsFunc(header, isAttribute) {
		wrong = append(wrong, `"attributes" beside columns of single attributes`)
	}
	if len(wrong) > 0 {
		return headerFault(strings.Join(wrong, "; "))
	}
	return nil
}

func headerFault(message string) error {
	known := strings.Join(slices.Concat(textColumns, jsonColumns), ", ") + " and attr.<name>"
	return ErrHeader.With("file", "the header is wrong: "+message+". Columns are "+known)
}

// otherSeparator names what separates the cells of a header, unless that are commas.
func otherSeparator(header []string) string {
	for separator, name := range otherSeparators {
		if names := strings.Split(header[0], string(separator)); len(header) == 1 && len(names) > 1 && slices.Contains(names, "sku") {
			return name + "s"
		}
	}
	return ""
}

// quotedNames quotes at most five names.
func quotedNames(names []string) string {
	var quoted []string
	for _, name := range names[:min(len(names), 5)] {
		quoted = append(quoted, fmt.Sprintf("%+q", name[:min(len(name), 64)]))
	}
	if more := len(names) - len(quoted); more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(quoted, ", ")
}

// parseCells converts the cells of a record to JSON and parses it as a line of JSON. notText returns why
// the bytes of a cell are no text of the file's charset, or "".
func parseCells(line int, header, cells []string, notText func(cell string) string) parsedRow {
	row := parsedRow{lineNumber: line}
	if i := slices.Index(header, "sku"); i < len(cells) && utf8.ValidString(cells[i]) {
		row.row.SKU = cells[i] // the report names it also if the row is refused
	}
	if len(cells) != len(header) {
		row.err = ErrLine.WithMessage(fmt.Sprintf("the line has %d cells, and the header %d", len(cells), len(header)))
		return row
	}
	object, attributes, refusal := map[string]json.RawMessage{}, map[string]json.RawMessage{}, ErrLine
	for i, cell := range cells {
		name, attribute := strings.CutPrefix(header[i], attributeColumns)
		message := notText(cell)
		switch {
		case cell == "":
		case message != "":
			refusal = refusal.With(header[i], message)
		case attribute:
			attributes[name] = mustJSON(undoFormula(cell))
		case !slices.Contains(jsonColumns, header[i]):
			object[name] = mustJSON(undoFormula(cell))
		case json.Valid([]byte(cell)) && strings.TrimSpace(cell) != "null":
			object[name] = json.RawMessage(cell)
		default:
			object[name] = mustJSON(cell) // a text, which is refused with the column's name
		}
	}
	if len(refusal.Fields) > 0 {
		row.err = refusal
		return row
	}
	if len(attributes) > 0 {
		object["attributes"] = mustJSON(attributes)
	}
	parsed := parseRow(line, mustJSON(object))
	parsed.row.AddAttributes = len(attributes) > 0
	return parsed
}

// cellFault is the fault of a record that cannot be split into cells.
func cellFault(header []string, err *cellError) error {
	name := fmt.Sprintf("cell %d", err.cell+1)
	if err.cell < len(header) {
		name = header[err.cell]
	}
	return ErrLine.With(name, err.message).Wrap(err)
}

func mustJSON(value any) json.RawMessage {
	text, _ := json.Marshal(value) // cannot fail: texts and JSON
	return text
}

// readFault is the fault of a file that cannot be read to its end.
func readFault(err error) error {
	var size *sizeError
	if errors.As(err, &size) {
		return ErrLongLine.WithMessage(size.Error()+"; the rows before it were imported").With("file", size.Error())
	}
	if known := (*fault.Error)(nil); errors.As(err, &known) {
		return err
	}
	return ErrLine.Wrap(err)
}
