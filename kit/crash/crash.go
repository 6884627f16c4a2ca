// Package crash declares points at which tests kill a process, to show that nothing is lost there. Without the build
// tag crashpoints, which `stack run --race` sets, they do nothing.
package crash

import "strings"

// FileName returns the file name of a point, see At: charge-made for "charge: made".
func FileName(point string) string {
	return strings.ReplaceAll(strings.ReplaceAll(point, ": ", "-"), " ", "-")
}
