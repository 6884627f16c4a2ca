package program

import (
	"context"
	"fmt"
	"os/exec"

	"sidecart/stack/internal/progress"
)

// browsers are the names under which systems have Chromium or Chrome.
var browsers = []string{
	"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell",
	"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
}

// FindChromium gives a Chromium or Chrome, for the tests of the pages.
func FindChromium(context.Context) (string, error) {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("chromium or google-chrome: %w", ErrMissing)
}

// Chromium finds a browser. As root on a Debian-like system it installs a missing one; elsewhere it fails and says which
// two commands to type.
func Chromium(ctx context.Context, log *progress.Log) (path string, err error) {
	err = need(ctx, log, func() (packages []string, err error) {
		if path, err = FindChromium(ctx); err != nil {
			packages = []string{"chromium"}
		}
		return packages, err
	})
	return path, err
}
