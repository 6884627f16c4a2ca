package web

import (
	"embed"
	"mime"
	"path"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/swaggest/swgui/v5emb"
)

//go:embed docs
var docsFiles embed.FS

// DocsPolicy is the Content-Security-Policy of /docs: scripts, styles and requests of this server only, nothing inline.
const DocsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// Docs serves an interactive page of /openapi.json at /docs. All its files are embedded in the program.
func Docs(app *fiber.App) {
	for at, name := range map[string]string{
		"/docs": "page.html", "/docs/": "page.html", "/docs/start.js": "start.js", "/docs/style.css": "style.css",
	} {
		text, err := docsFiles.ReadFile("docs/" + name)
		if err != nil {
			panic(err) // the file is not embedded
		}
		mediaType := mime.TypeByExtension(path.Ext(name))
		app.Get(at, RefuseBody, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, mediaType)
			c.Set(fiber.HeaderCacheControl, "no-cache")
			return c.Send(text)
		})
	}
	app.Get("/docs/*", RefuseBody, adaptor.HTTPHandler(v5emb.New("", "", "/docs/")))
}
