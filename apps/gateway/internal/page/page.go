// Package page serves the front page, the pages that mails link to, and the live page. They are static files that use
// the public API as any other web page can.
package page

import (
	"embed"
	"maps"
	"mime"
	"path"
	"slices"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/web"
)

//go:embed files
var files embed.FS

// Policy is the pages' Content-Security-Policy: scripts, styles and requests only from and to this server, nothing
// inline.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// pages are the files of each path. A key that a mail's link carries is in the query, which is not logged and not sent
// in a Referer.
var pages = map[string]string{
	"/": "front.html", "/live": "live.html",
	"/verify-email": "key.html", "/reset-password": "key.html", "/unsubscribe": "key.html",
	"/pages/front.js": "front.js", "/pages/live.js": "live.js", "/pages/key.js": "key.js",
	"/pages/style.css": "style.css", "/pages/icon.svg": "icon.svg",
}

// Has reports whether a path is a page or a file of one.
func Has(path string) bool { return pages[path] != "" }

// Index is the front page for programs.
type Index struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Links       map[string]string `json:"links"`
}

// Routes adds the pages to an app. mails is the address of the local mail server's web page, or empty.
func Routes(app *web.App, mails string) {
	index := Index{
		Name: "Sidecart", Description: "An online shop: catalogue, stock, carts, orders, payments and notifications.",
		Links: map[string]string{
			"docs": "/docs", "openapi": "/openapi.json", "health": "/health/services", "live": "/live",
			"products": "/api/v1/products",
		},
	}
	if mails != "" {
		index.Links["mails"] = mails
	}
	app.Get("/", web.RefuseBody, func(c *fiber.Ctx) error {
		c.Vary(fiber.HeaderAccept)
		if c.Accepts(fiber.MIMEApplicationJSON, fiber.MIMETextHTML) != fiber.MIMETextHTML {
			c.Set(fiber.HeaderCacheControl, "no-cache")
			return c.JSON(index)
		}
		return c.Next()
	})
	for _, at := range slices.Sorted(maps.Keys(pages)) {
		text, err := files.ReadFile("files/" + pages[at])
		if err != nil {
			panic(err) // at start, for a file that was not embedded
		}
		kind := mime.TypeByExtension(path.Ext(pages[at]))
		app.Get(at, web.RefuseBody, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, kind)
			c.Set(fiber.HeaderCacheControl, "no-cache")
			return c.Send(text)
		})
	}
}
