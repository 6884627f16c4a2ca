// Package crash has the points at which tests let a process die, to show that nothing is lost there. In every build but
// that of the tests (tag crashpoints, which `stack run --race` sets) they are nothing.
package crash

import "strings"

// FileName is the name of a point's file, see At: "charge: made" is charge-made.
func FileName(point string) string {
	return strings.ReplaceAll(strings.ReplaceAll(point, ": ", "-"), " ", "-")
}
