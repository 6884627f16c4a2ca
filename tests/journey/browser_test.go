package journey_test

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

var update = flag.Bool("update", false, "take the pictures of docs/pictures anew")

// tab is a page in a real browser, what went wrong in it, and what it asked for.
type tab struct {
	browser context.Context //nolint:containedctx // this is how chromedp names a tab
	mu      sync.Mutex
	wrong   []string // errors of scripts, what the Content-Security-Policy held back, what could not be loaded
	asked   []string // addresses
}

// newTab opens one in a browser of its own, which ends with the test.
func newTab(t *testing.T) *tab {
	t.Helper()
	program := os.Getenv("CHROMIUM")
	if program == "" {
		t.Fatal("CHROMIUM is not set: run the tests with `make test PKG=./tests/journey/...`, which finds or installs one")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // root can have none, and the pages are ours
	}
	browser, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	browser, closeTab := chromedp.NewContext(browser)
	t.Cleanup(closeTab)
	p := &tab{browser: browser}
	must(t, chromedp.Do(browser))
	must(t, chromedp.Listen(browser, p.hear))
	return p
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.wrong = append(p.wrong, fmt.Sprintf("%s %s:%d", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.wrong = append(p.wrong, fmt.Sprintf("console: %s", e.Args[0].Value))
		}
	}
}

// do fails the test if an action is not done within a minute.
func (p *tab) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.browser, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatalf("%v; what went wrong in the page: %q", err, p.forget())
	}
}

// is waits until an expression is true in the page.
func (p *tab) is(t *testing.T, expression string) {
	t.Helper()
	platform.Eventually(t, 60*time.Second, func() error {
		so, err := chromedp.Run(p.browser, chromedp.Evaluate[bool](expression))
		if err == nil && !so {
			shown, _ := chromedp.Run(p.browser, chromedp.Evaluate[string](`document.body.innerText`))
			err = fmt.Errorf("not so: %s, in %.2000s", expression, shown)
		}
		return err
	})
}

// forget answers what went wrong until now, and begins anew.
func (p *tab) forget() (wrong []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wrong, p.wrong = p.wrong, nil
	return wrong
}

// clean fails if something went wrong that was not forgotten, if another host was asked for something, or a token is in an
// address.
func (p *tab) clean(t *testing.T) {
	t.Helper()
	for _, w := range p.forget() {
		t.Errorf("in the page: %s", w)
	}
	home, err := url.Parse(nobody.Base)
	must(t, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range p.asked {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "data" && u.Host != home.Host {
			t.Errorf("the page asked %s, %v", address, err)
		}
		if strings.Contains(address, "eyJ") || strings.Contains(address, "token") {
			t.Errorf("a token in an address: %s", address)
		}
	}
}

// fits fails if the page is wider than a telephone.
func (p *tab) fits(t *testing.T) {
	t.Helper()
	p.do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	p.is(t, `document.documentElement.scrollWidth <= 360`)
	p.do(t, chromedp.ResetViewport())
}

// picture keeps what the tab shows in docs/pictures, if asked to.
func (p *tab) picture(t *testing.T, name string, width, height int64) {
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
