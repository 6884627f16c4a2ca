package transfer

import "strings"

// Spreadsheets run a cell that begins with one of these characters as a formula, which may fetch an address or start a
// program. In a CSV file of ours such a text begins with an apostrophe, and an import takes one off again.
const formulaStarts = "=+-@\t\r\n＝＋－＠"

// isFormula reports whether a text is a formula, perhaps behind apostrophes: these count too, so that a text that
// begins with an apostrophe and a formula comes back as it was.
func isFormula(text string) bool {
	text = strings.TrimLeft(text, "'")
	return strings.IndexAny(text, formulaStarts) == 0
}

// neutral is a text as a cell that no spreadsheet runs: a formula gets an apostrophe in front, also if it has one.
func neutral(text string) string {
	if isFormula(text) {
		return "'" + text
	}
	return text
}

// undoFormula returns the text of a cell that neutral made. Texts that neutral leaves alone are returned unchanged, and
// so is a formula without an apostrophe.
func undoFormula(cell string) string {
	if rest, marked := strings.CutPrefix(cell, "'"); marked && isFormula(rest) {
		return rest
	}
	return cell
}
