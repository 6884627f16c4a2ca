package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
)

// frontPage: the front page shows that all services are healthy, and its links work.
func frontPage(t *testing.T) {
	p := newTab(t)
	p.do(t, chromedp.Navigate(anonymous.Base+"/"))
	p.waitFor(t, `document.getElementById("state").textContent === "All services are healthy."`)
	p.waitFor(t, `document.querySelectorAll("#list .on").length === 5`)
	p.waitFor(t, `document.querySelector("#mails a").href.startsWith("http://localhost:")`)
	p.waitFor(t, fmt.Sprintf(`document.querySelector("pre").textContent.includes(%q)`, anonymous.Base))
	p.screenshot(t, "front.png", 760, 900)
	p.fitsPhone(t)
	p.accessible(t)
	p.noErrors(t)
	for _, link := range []string{"/docs", "/live", "/health/services", "/openapi.json"} {
		p.waitFor(t, fmt.Sprintf(`document.querySelector(%q) !== null`, `.links a[href="`+link+`"]`))
		must(t, anonymous.Call(t.Context(), "GET "+link, nil, 200, nil))
	}
}

// docsPage: the API docs show every operation. A new user registers, signs in and places an order there with the
// examples unchanged.
// axe-core does not check it: the markup is Swagger UI's.
func docsPage(t *testing.T) {
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	must(t, anonymous.Call(t.Context(), "GET /openapi.json", nil, 200, &document))
	operations := 0
	for _, path := range document.Paths {
		operations += len(path)
	}
	p := newTab(t)
	p.do(t, chromedp.Navigate(anonymous.Base+"/docs"), chromedp.WaitVisible(chromedp.CSS(".opblock")))
	p.waitFor(t, fmt.Sprintf(`document.querySelectorAll(".opblock").length === %d`, operations))
	p.screenshot(t, "docs.png", 1000, 760)
	p.tryItOut(t, "auth-register", 201)
	var tokens struct {
		Access string `json:"access_token"`
	}
	must(t, json.Unmarshal([]byte(p.tryItOut(t, "auth-signIn", 200)), &tokens))
	token := chromedp.CSS(".auth-container input")
	p.do(t, chromedp.Click(chromedp.CSS(".auth-wrapper .authorize")), chromedp.WaitVisible(token),
		chromedp.SendKeys(token, tokens.Access), chromedp.Click(chromedp.CSS(".auth-btn-wrapper .authorize")),
		chromedp.Click(chromedp.CSS(".auth-btn-wrapper .btn-done")))
	if order := p.tryItOut(t, "orders-placeOrder", 201); !strings.Contains(order, `"pending"`) {
		t.Errorf("order %s", order)
	}
	p.fitsPhone(t)
	p.noErrors(t)
}

// mailPages: the pages that mails link to.
func mailPages(t *testing.T) {
	p := newTab(t)
	for _, path := range []string{"/verify-email", "/reset-password", "/unsubscribe"} {
		p.do(t, chromedp.Navigate(anonymous.Base+path+"?token=x"), chromedp.WaitVisible(chromedp.CSS("#go")))
		p.fitsPhone(t)
		p.accessible(t)
	}
}

// tryItOut executes an operation on the page with its example, and returns the body of its response.
func (p *tab) tryItOut(t *testing.T, operation string, status int) string {
	t.Helper()
	block := "#operations-" + operation
	for _, class := range []string{".opblock-summary-control", ".try-out__btn", ".execute"} {
		button := chromedp.CSS(block + " " + class)
		p.do(t, chromedp.WaitVisible(button), chromedp.Click(button))
	}
	response := block + " .live-responses-table .response "
	p.waitFor(t, fmt.Sprintf(`document.querySelector(%q)?.textContent === "%d"`, response+".response-col_status", status))
	body, err := chromedp.Run(p.browser, chromedp.Evaluate[string](
		fmt.Sprintf(`document.querySelector(%q).textContent`, response+".highlight-code pre")))
	must(t, err)
	return body
}

// livePage: a buyer signs in on the live page and sees notifications as they are created, also after a restart of the
// gateway. Texts of other users are not interpreted as HTML.
func livePage(t *testing.T) {
	const hostile = `<img src="/nothing" onerror="window.hacked = true">`
	var product struct{ ID int }
	must(t, admin.Call(t.Context(), "POST /api/v1/products", map[string]any{
		"name": hostile, "sku": "HOSTILE-1", "price": 5, "category_id": 1, "initial_quantity": 9}, 201, &product))
	must(t, anonymous.Call(t.Context(), "POST /api/v1/auth/register", client.Raw(
		`{"username":"grace","email":"grace@example.com","password":"SecurePassword123!","full_name":"Grace Hopper"}`), 201, nil))
	buyer, err := anonymous.SignIn(t.Context(), "grace", "SecurePassword123!")
	must(t, err)

	p := newTab(t)
	p.do(t, chromedp.Navigate(anonymous.Base+"/live"), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	p.waitFor(t, `[...document.querySelectorAll("input")].every((i) => i.labels.length === 1)`)
	p.fitsPhone(t)
	p.accessible(t)
	p.noErrors(t)
	p.signIn(t, "a wrong password")
	p.waitFor(t, `document.getElementById("problem").textContent !== "" && document.getElementById("inbox").hidden`)
	p.takeErrors() // the browser logs a 401 as an error
	p.signIn(t, "SecurePassword123!")
	p.waitFor(t, connected)
	p.do(t, chromedp.Evaluate[chromedp.Void](`window.loaded = "once"`))

	first := placeOrder(t, buyer, "")
	p.waitFor(t, showsOnce("We have your order "+first.Number))
	p.waitFor(t, showsOnce("Your order "+first.Number+" is paid"))
	p.do(t, chromedp.Click(chromedp.CSS("#messages a")))
	p.waitFor(t, fmt.Sprintf(`document.getElementById("order").textContent.startsWith("Order %s: paid")`, first.Number))
	p.screenshot(t, "live.png", 720, 640)
	p.fitsPhone(t)
	p.accessible(t)

	var second client.Order
	body := strings.NewReplacer(`"product_id":1`, fmt.Sprintf(`"product_id":%d`, product.ID)).Replace(e2e.Order)
	must(t, buyer.Call(t.Context(), "POST /api/v1/orders", client.Raw(body), 201, &second))
	p.waitFor(t, showsOnce(hostile))
	p.waitFor(t, showsOnce("Your order "+second.Number+" is paid"))
	p.noInjection(t)
	p.noErrors(t)

	// The workflow delivers the order while the gateway is stopped.
	must(t, admin.Call(t.Context(), "POST /api/v1/orders/"+second.ID+"/ship", client.Raw(`{"carrier":"UPS"}`), 200, nil))
	start := running.StopUntil(t, "gateway")
	p.waitFor(t, `document.getElementById("state").textContent.startsWith("Not connected")`)
	start()
	p.waitFor(t, showsOnce("Your order "+second.Number+" is on its way"))
	p.waitFor(t, showsOnce("Your order "+second.Number+" has arrived"))
	p.waitFor(t, connected+` && window.loaded === "once"`)
	p.noInjection(t)
	p.takeErrors() // the browser logs each failed connection

	p.do(t, chromedp.Reload())
	p.signIn(t, "SecurePassword123!")
	p.waitFor(t, showsOnce(hostile)) // from the stored notifications
	p.noInjection(t)
	p.do(t, chromedp.Click(chromedp.CSS("#sign-out")), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
	p.waitFor(t, `document.querySelectorAll("#messages li").length === 0`)
	p.noErrors(t)
}

// connected is true while the stream is open.
const connected = `document.getElementById("state").textContent.startsWith("Live")`

// showsOnce is true if exactly one message contains text.
func showsOnce(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#messages li")].filter((m) => m.textContent.includes(%q)).length === 1`, text)
}

func (p *tab) signIn(t *testing.T, password string) {
	t.Helper()
	name, secret := chromedp.CSS("input[name=username]"), chromedp.CSS("input[name=password]")
	p.do(t, chromedp.WaitVisible(name), chromedp.Evaluate[chromedp.Void](`document.getElementById("sign-in").reset()`),
		chromedp.SendKeys(name, "grace"), chromedp.SendKeys(secret, password), chromedp.Click(chromedp.CSS("#sign-in button")))
}

// noInjection fails the test if the text of a message became HTML, or if the page stores the session outside its
// memory.
func (p *tab) noInjection(t *testing.T) {
	t.Helper()
	p.waitFor(t, `document.querySelectorAll("main img, main script").length === 0 && window.hacked === undefined`)
	p.waitFor(t, `localStorage.length + sessionStorage.length === 0 && document.cookie === "" && location.search === ""`)
}
