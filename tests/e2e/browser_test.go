package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sidecart/tests/platform"
)

var update = flag.Bool("update", false, "take the screenshots of docs/pictures")

// tab is a page in a browser, with its errors and its requests.
type tab struct {
	browser  context.Context //nolint:containedctx // chromedp identifies a tab by its context
	mu       sync.Mutex
	errors   []string // of scripts, the Content-Security-Policy and failed requests
	requests []string // URLs
}

// newTab opens a tab in a browser of its own, which is closed at the end of the test.
func newTab(t *testing.T) *tab {
	t.Helper()
	program := os.Getenv("CHROMIUM")
	if program == "" {
		t.Fatal("CHROMIUM is not set: run the tests with `make test PKG=./tests/e2e/...`, which finds or installs one")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has no sandbox as root; the pages are trusted
	}
	browser, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	p := &tab{browser: browser}
	must(t, chromedp.Do(browser))
	must(t, chromedp.Listen(browser, p.handle))
	return p
}

func (p *tab) handle(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		d := e.ExceptionDetails
		p.errors = append(p.errors, fmt.Sprintf("%s %s:%d", d.Text, d.URL, d.LineNumber))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.errors = append(p.errors, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.errors = append(p.errors, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	}
}

// do runs actions and fails the test after a minute.
func (p *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%v; errors in the page: %q", err, p.takeErrors())
	}
}

// waitFor waits until a JavaScript expression is true.
func (p *tab) waitFor(t *testing.T, expression string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		ok, err := chromedp.Run(p.browser, chromedp.Evaluate[bool](expression))
		if err == nil && !ok {
			shown, _ := chromedp.Run(p.browser, chromedp.Evaluate[string](`document.body.innerText`))
			err = fmt.Errorf("not true: %s, in %.2000s", expression, shown)
		}
		return err
	})
}

// takeErrors returns the errors so far and clears them.
func (p *tab) takeErrors() (wrong []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrong, p.errors = p.errors, nil
	return wrong
}

// noErrors fails the test if there are errors, requests to other hosts, or tokens in URLs.
func (p *tab) noErrors(t *testing.T) {
	t.Helper()
	for _, w := range p.takeErrors() {
		t.Errorf("in the page: %s", w)
	}
	home, err := url.Parse(anonymous.Base)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range p.requests {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "data" && u.Host != home.Host {
			t.Errorf("the page requested %s, %v", address, err)
		}
		if strings.Contains(address, "eyJ") || strings.Contains(address, "token") {
			t.Errorf("a token in a URL: %s", address)
		}
	}
}

// accessible fails the test if axe-core finds a violation in the page.
func (p *tab) accessible(t *testing.T) {
	t.Helper()
	path := os.Getenv("AXE")
	if path == "" {
		t.Log("AXE is not set (a machine without Node.js): the page is not checked by axe-core")
		return
	}
	script, err := os.ReadFile(path) //nolint:gosec // set by `make test`
	must(t, err)
	p.do(t, chromedp.Evaluate[chromedp.Void](string(script)+`;
		window.violations = null;
		axe.run().then((r) => { window.violations = r.violations.map((v) =>
			v.id + ": " + v.nodes.map((n) => n.html).join(" ")).join("\n"); })`))
	p.waitFor(t, `window.violations !== null`)
	violations, err := chromedp.Run(p.browser, chromedp.Evaluate[string](`window.violations`))
	must(t, err)
	if violations != "" {
		t.Errorf("axe-core: %s", violations)
	}
}

// fitsPhone fails the test if the page is wider than a phone.
func (p *tab) fitsPhone(t *testing.T) {
	t.Helper()
	p.do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	p.waitFor(t, `document.documentElement.scrollWidth <= 360`)
	p.do(t, chromedp.ResetViewport())
}

// screenshot saves a screenshot in docs/pictures if -update is set.
func (p *tab) screenshot(t *testing.T, name string, width, height int64) {
	t.Helper()
	if !*update {
		return
	}
	p.do(t, chromedp.EmulateViewport(width, height))
	png, err := chromedp.Run(p.browser, chromedp.CaptureScreenshot())
	must(t, err)
	must(t, os.WriteFile(filepath.Join(running.Root, "docs", "pictures", name), png, 0o600))
	p.do(t, chromedp.ResetViewport())
}
