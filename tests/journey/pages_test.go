package journey_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sidecart/tests/client"
	"sidecart/tests/journey"
)

// frontPage: it shows that all services are healthy, and each of its links leads somewhere.
func frontPage(t *testing.T) {
	p := newTab(t)
	p.do(t, chromedp.Navigate(nobody.Base+"/"))
	p.is(t, `document.getElementById("state").textContent === "All services are healthy."`)
	p.is(t, `document.querySelectorAll("#list .on").length === 5`)
	p.is(t, `document.querySelector("#mails a").href.startsWith("http://localhost:")`)
	p.is(t, fmt.Sprintf(`document.querySelector("pre").textContent.includes(%q)`, nobody.Base))
	p.picture(t, "front.png", 760, 900)
	p.fits(t)
	p.clean(t)
	for _, link := range []string{"/docs", "/live", "/health/services", "/openapi.json"} {
		p.is(t, fmt.Sprintf(`document.querySelector(%q) !== null`, `.links a[href="`+link+`"]`))
		must(t, nobody.Call(t.Context(), "GET "+link, nil, 200, nil))
	}
}

// docsPage: every operation of the document is on the page, and can be opened.
func docsPage(t *testing.T) {
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(t, nobody.Call(t.Context(), "GET /openapi.json", nil, 200, &document))
	operations := 0
	for _, path := range document.Paths {
		operations += len(path)
	}
	p := newTab(t)
	p.do(t, chromedp.Navigate(nobody.Base+"/docs"), chromedp.WaitVisible(chromedp.CSS(".opblock")))
	p.is(t, fmt.Sprintf(`document.querySelectorAll(".opblock").length === %d`, operations))
	p.picture(t, "docs.png", 1000, 760)
	const place = "#operations-orders-placeOrder"
	p.do(t, chromedp.Click(chromedp.CSS(place+" .opblock-summary-control")), chromedp.WaitVisible(chromedp.CSS(place+" .opblock-body")))
	p.is(t, `document.querySelector("`+place+` .opblock-body").textContent.includes("shipping_address")`)
	p.fits(t)
	p.clean(t)
}

// livePage: somebody signs in on the page and sees what happens, as it happens, also after the gateway was away. Words of
// others stay text there.
func livePage(t *testing.T) {
	const hostile = `<img src="/nothing" onerror="window.hacked = true">`
	var product struct{ ID int }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", map[string]any{
		"name": hostile, "sku": "HOSTILE-1", "price": 5, "category_id": 1, "initial_quantity": 9}, 201, &product))
	must(t, nobody.Call(t.Context(), "POST /api/v1/auth/register", client.Raw(
		`{"username":"ada","email":"ada@example.com","password":"SecurePassword123!","full_name":"Ada Lovelace"}`), 201, nil))
	buyer, err := nobody.SignIn(t.Context(), "ada", "SecurePassword123!")
	must(t, err)

	p := newTab(t)
	p.do(t, chromedp.Navigate(nobody.Base+"/live"), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	p.is(t, `[...document.querySelectorAll("input")].every((i) => i.labels.length === 1)`)
	p.fits(t)
	p.clean(t)
	p.signIn(t, "not her password")
	p.is(t, `document.getElementById("problem").textContent !== "" && document.getElementById("inbox").hidden`)
	p.forget() // the browser notes a 401 as an error
	p.signIn(t, "SecurePassword123!")
	p.is(t, live)
	p.do(t, chromedp.Evaluate[chromedp.Void](`window.loaded = "once"`))

	first := buy(t, buyer, "")
	p.is(t, said("We have your order "+first.Number))
	p.is(t, said("Your order "+first.Number+" is paid"))
	p.do(t, chromedp.Click(chromedp.CSS("#messages a")))
	p.is(t, fmt.Sprintf(`document.getElementById("order").textContent.startsWith("Order %s: paid")`, first.Number))
	p.picture(t, "live.png", 720, 640)
	p.fits(t)

	var second client.Order
	basket := strings.NewReplacer(`"product_id":1`, fmt.Sprintf(`"product_id":%d`, product.ID)).Replace(journey.Order)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(basket), 201, &second))
	p.is(t, said(hostile))
	p.is(t, said("Your order "+second.Number+" is paid"))
	p.harmless(t)
	p.clean(t)

	// It is delivered by itself, while the gateway is away.
	must(t, admin.Call(t.Context(), "POST /api/v1/orders/"+second.ID+"/ship", client.Raw(`{"carrier":"UPS"}`), 200, nil))
	back := running.StopUntil(t, "gateway")
	p.is(t, `document.getElementById("state").textContent.startsWith("Not connected")`)
	back()
	p.is(t, said("Your order "+second.Number+" is on its way"))
	p.is(t, said("Your order "+second.Number+" has arrived"))
	p.is(t, live+` && window.loaded === "once"`)
	p.harmless(t)
	p.forget() // the browser notes each time that it could not connect

	p.do(t, chromedp.Reload())
	p.signIn(t, "SecurePassword123!")
	p.is(t, said(hostile)) // as something that was there
	p.harmless(t)
	p.do(t, chromedp.Click(chromedp.CSS("#sign-out")), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	p.is(t, `document.querySelectorAll("#messages li").length === 0`)
	p.clean(t)
}

// live is so while the stream is open.
const live = `document.getElementById("state").textContent.startsWith("Live")`

// said is so when one message, and no other, has these words.
func said(words string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#messages li")].filter((m) => m.textContent.includes(%q)).length === 1`, words)
}

func (p *tab) signIn(t *testing.T, password string) {
	t.Helper()
	name, secret := chromedp.CSS("input[name=username]"), chromedp.CSS("input[name=password]")
	p.do(t, chromedp.WaitVisible(name), chromedp.Evaluate[chromedp.Void](`document.getElementById("sign-in").reset()`), chromedp.SendKeys(name, "ada"),
		chromedp.SendKeys(secret, password), chromedp.Click(chromedp.CSS("#sign-in button")))
}

// harmless fails if words of a message became a part of the page, or something of the session is kept outside of the page's memory.
func (p *tab) harmless(t *testing.T) {
	t.Helper()
	p.is(t, `document.querySelectorAll("main img, main script").length === 0 && window.hacked === undefined`)
	p.is(t, `localStorage.length + sessionStorage.length === 0 && document.cookie === "" && location.search === ""`)
}
