// Package page is the few pages that mails lead to: confirm an address, choose a password, end a kind of mail, and see what
// happens as it happens. They are plain files that use the public API as any other page could.
package page

import (
	"embed"
	"mime"
	"path"
	"slices"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/web"
)

//go:embed files
var files embed.FS

// Policy is what browsers hold the pages to: scripts and styles from files of ours, requests to us alone, nothing inline.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// pages are the files behind the paths. Keys to an account that a link carries are in the query, which nobody logs and no
// Referer tells.
var pages = map[string]string{
	"/live": "live.html", "/verify-email": "key.html", "/reset-password": "key.html", "/unsubscribe": "key.html",
	"/pages/live.js": "live.js", "/pages/key.js": "key.js", "/pages/style.css": "style.css", "/pages/icon.svg": "icon.svg",
}

// Has says whether a path is one of the pages or of their files.
func Has(path string) bool { return pages[path] != "" }

// Routes adds the pages to an app.
func Routes(app *web.App) {
	var paths []string
	for at := range pages {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	for _, at := range paths {
		text, err := files.ReadFile("files/" + pages[at])
		if err != nil {
			panic(err) // at start, for a file that was not embedded
		}
		kind := mime.TypeByExtension(path.Ext(pages[at]))
		app.Get(at, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, kind)
			c.Set(fiber.HeaderCacheControl, "no-cache")
			return c.Send(text)
		})
	}
}
