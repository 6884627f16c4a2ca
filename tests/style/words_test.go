package style

import (
	"go/ast"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sidecart/tools/daprgen/source"
)

// wrongWords are wrong anywhere: in code, comments, messages and documents. Each has the words to use instead.
var wrongWords = []struct{ pattern, instead string }{
	{`tellers?`, "publisher"},
	{`hearers?`, "consumer, subscriber"},
	{`hears?|heard`, "subscribe, consume, handle, receive"},
	{`told`, "published, notified, informed, said"},
	{`neighbours?`, "upstream, other service"},
	{`upkeep`, "recovery"},
	{`by hand(?: of recovery)?`, "manually, or by the recovery sweep"},
	{`beneath|underneath|furnish(?:es|ed)?`, "infrastructure, under, prepare"},
	{`vouch(?:es|ed)?`, "accept, verify"},
	{`forestall(?:s|ed)?`, "tombstone"},
	{`letgo|giveback|calloff|called[ _-]?off|call(?:s|ing)? off`, "release, refund, restock, void, cancel"},
	{`g(?:ive|ives|ave|iving|iven) (?:\w+ )?back`, "refund (money), restock (goods), release (a reservation), return"},
	{`shel(?:f|ves|ve|ved)`, "stock, restock"},
	{`whoever|whomever`, "the user, the caller, the service that ..."},
	{`nobody|somebody|anybody|everybody`, "name the subject: no user, another request, every replica"},
	{`askanyway|asksfor|unwell|unheard`, "invoke without breaker, unhealthy, not consumed"},
	{`at once`, "immediately, or concurrently"},
	{`for one answer|in one answer`, "in one round trip"},
	{`patience`, "timeout"},
	{`postoffice|letterbox`, "fake mail server"},
	{`hasten(?:s|ed)?`, "make due"},
	{`crowds?`, "many concurrent requests"},
	{`mend(?:s|ed|ing)?`, "repair, fix"},
	{`the house`, "this code base"},
	{`stands? in for`, "replaces, is a fake of"},
	{`answers?|(?:un)?answered|answering`, "response, respond, without a response"},
	{`asks?|asked|asking`, "request, require"},
	{`tells?|telling`, "report, notify, distinguish"},
	{`whom`, "the user, the caller, the service that ..."},
	{`anew`, "again"},
	{`nouns?`, "object, domain"},
	{`learns?|learn(?:t|ed)`, "receive, be notified of, read"},
	{`gone`, "removed, disconnected, unavailable"},
	{`th(?:is|at) moment`, "now, then, this time"},
	{`for good`, "permanently"},
	{`strangers?`, "attacker, anonymous caller, other user"},
	{`lanes?`, "ordering key"},
	{`twins?`, "copy, repeated request"},
	{`in vain`, "without success"},
	{`comes? and goes?`, "starts and stops, connects and disconnects"},
}

// rightIn are the words that are right in a file after all, with the reason.
var rightIn = map[string]struct{ word, reason string }{
	"stack/internal/database/account.go":                  {"nobody", "the name of a Unix account"},
	"stack/README.md":                                     {"nobody", "the name of a Unix account"},
	"kit/idempotency/store.go":                            {"answer", "a column"},
	"kit/shop/reasons.go":                                 {"asks", "a text for buyers"},
	"apps/notifications/internal/delivery/service.go":     {"answer", "a field of the API"},
	"tests/mail/mail_test.go":                             {"Answer", "a field of the API"},
	"apps/notifications/internal/delivery/digest_test.go": {"asked", "a text for buyers"},
	"apps/notifications/internal/notice/notice_test.go":   {"asked", "a text for buyers"},
}

func wordPattern() *regexp.Regexp {
	all := make([]string, len(wrongWords))
	for i, w := range wrongWords {
		all[i] = w.pattern
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(all, "|") + `)\b`)
}

func instead(word string) string {
	for _, w := range wrongWords {
		if regexp.MustCompile(`(?i)^(?:` + w.pattern + `)$`).MatchString(word) {
			return w.instead
		}
	}
	return "?"
}

// prose are the files that people read, without pictures, which are drawn from coordinates.
func prose(file string) bool {
	switch path.Ext(file) {
	case ".go", ".md", ".yaml", ".yml", ".sh", ".html", ".js", ".css", ".toml", ".sql":
		return !strings.HasSuffix(file, ".gen.go") && !strings.HasPrefix(path.Base(file), "package-lock")
	}
	return path.Base(file) == "Makefile" || path.Base(file) == "Dockerfile"
}

func TestWords(t *testing.T) {
	wrong := wordPattern()
	for _, text := range []string{"the teller", "whoever asks", "At once.", "is given back", "a Called-Off payment"} {
		if !wrong.MatchString(text) {
			t.Errorf("%q is not found: this test no longer sees wrong words", text)
		}
	}
	for _, file := range source.Files(t) {
		if !prose(file) || file == "tests/style/words_test.go" { // it names the words
			continue
		}
		for n, line := range strings.Split(source.Read(t, file), "\n") {
			if path.Ext(file) == ".sql" { // its comments: the names in a migration that ran stay
				_, line, _ = strings.Cut(line, "--")
			}
			if word := wrong.FindString(line); word != "" && word != rightIn[file].word {
				t.Errorf("%s:%d: %q; say %s", file, n+1, word, instead(word))
			}
		}
	}
}

// wrongNames are names of packages, types, functions, methods, fields, constants and package variables that were
// private words. Each has the name to use instead. Their plain words stay right in sentences and for other things.
var wrongNames = map[string]string{
	"Ask": "Invoke", "AskAll": "RunChecks", "dress": "setSecurityHeaders", "rescue": "recover",
	"Compare": "DetectGaps", "compared": "checkpoint", "Everywhere": "SubscribeAll",
	"Trust": "KeySet, Update", "News": "Update", "learn": "update", "Letter": "Message, DeadLetter", "letter": "message",
	"Desk": "AdminHandlers", "Composer": "Renderer", "Bind": "InvokeBinding", "ErrPutOff": "ErrTemporary",
	"ErrOfUs": "ErrSenderRejected", "ErrAbsent": "ErrNotConfigured", "ErrNeedless": "ErrObsolete", "lane": "ordering key",
	"Line": "Stream", "Live": "Connected", "Gone": "Disconnected", "Last": "LastEventID", "Maybe": "Optional", "Named": "Set",
	"Well": "Healthy", "Needs": "RequireHealthy", "Prefers": "ReportHealth", "mend": "repair", "finding": "discrepancy",
	"walked": "backfilledTo", "books": "provider records", "Contended": "IsConflict", "Stale": "PreconditionFailed",
	"noun": "domain", "stand": "fixture", "box": "fixture", "journey": "input", "outcome": "result", "Door": "Edge",
	"Told": "Notified", "Kept": "Stored", "Held": "Reserved", "Inside": "Diagnostics", "Exact": "V2", "Pair": "TokenPair",
	"Found": "Result",
}

// nameWords splits an identifier into its words: newHTTPServer is new, HTTP, Server.
var nameWords = regexp.MustCompile(`[A-Z]+(?:[a-z0-9]*)|[a-z0-9]+`)

// wrongPart is a word that no name has, in any position, such as Nobody in TestNobodyWaits.
var wrongPart = regexp.MustCompile(`^(?i:tellers?|tells?|told|hearers?|hears?|heard|neighbou?rs?|upkeep|beneath|underneath|vouch|forestall|` +
	`shelf|shelve|whoever|nobody|somebody|anybody|everybody|patience|patient|crowds?|doors?|mends?|mended|` +
	`answers?|answered|unanswered|asks?|asked|asking|who|whom|anew|strangers?|silence|lanes?|twins?)$`)

// written are the files that no generator wrote.
func written(t *testing.T) []goFile {
	t.Helper()
	return slices.DeleteFunc(goFiles(t), func(f goFile) bool { return ast.IsGenerated(f.File) })
}

func TestIdentifiers(t *testing.T) {
	for _, f := range written(t) {
		check := func(id *ast.Ident) {
			if id == nil || id.Name == "" {
				return
			}
			if say := wrongNames[id.Name]; say != "" {
				t.Errorf("%s: %s; say %s", f.at(id), id.Name, say)
			}
			for _, word := range nameWords.FindAllString(id.Name, -1) {
				if wrongPart.MatchString(word) {
					t.Errorf("%s: %s has the word %s", f.at(id), id.Name, word)
				}
			}
		}
		check(f.Name)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				check(d.Name)
			case *ast.GenDecl:
				for _, s := range d.Specs {
					declared(s, check)
				}
			}
		}
	}
}

func declared(s ast.Spec, check func(*ast.Ident)) {
	switch s := s.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			check(name)
		}
	case *ast.TypeSpec:
		check(s.Name)
		ast.Inspect(s.Type, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok {
				for _, name := range field.Names {
					check(name)
				}
			}
			_, function := n.(*ast.FuncType)
			return !function // parameters are checked by readers
		})
	}
}

// TestColumns: comments in Go and SQL, and Markdown, have at most 120 columns. A tab counts as four. Tables, code
// blocks, bare links and directives are exempt.
func TestColumns(t *testing.T) {
	const limit = 120
	for _, file := range source.Files(t) {
		if !prose(file) {
			continue
		}
		lines := strings.Split(source.Read(t, file), "\n")
		switch path.Ext(file) {
		case ".md":
			code := false
			for n, line := range lines {
				if strings.HasPrefix(strings.TrimSpace(line), "```") {
					code = !code
				}
				if !code && columns(line) > limit && !strings.HasPrefix(line, "|") && !bareLink.MatchString(line) {
					t.Errorf("%s:%d: %d columns", file, n+1, columns(line))
				}
			}
		case ".sql":
			for n, line := range lines {
				if strings.HasPrefix(strings.TrimSpace(line), "-- ") && columns(line) > limit {
					t.Errorf("%s:%d: %d columns", file, n+1, columns(line))
				}
			}
		case ".go":
			for n, line := range lines {
				text := strings.TrimSpace(line)
				if strings.HasPrefix(text, "//") && !directive.MatchString(text) && columns(line) > limit && !bareLink.MatchString(text) {
					t.Errorf("%s:%d: %d columns", file, n+1, columns(line))
				}
			}
		}
	}
}

var (
	bareLink  = regexp.MustCompile(`^\s*(?://|[-*])?\s*\[?\S*\]?:?\s*<?https?://\S+>?$`)
	directive = regexp.MustCompile(`^//(?:go:|nolint|\w+:)`)
)

func columns(line string) int {
	return len([]rune(strings.ReplaceAll(line, "\t", "    ")))
}

// TestSizes: a file has at most 300 lines, a function 40, a main.go of a service 80. Past one it is split by subject,
// or is listed in large with a reason. The run of a main.go may fill it, and a test is one story of at most 80 lines.
func TestSizes(t *testing.T) {
	unused := slices.Collect(maps.Keys(large))
	tooLarge := func(what string, n, limit int) {
		unused = slices.DeleteFunc(unused, func(name string) bool { return name == what })
		if large[what] == "" {
			t.Errorf("%s has %d lines, more than %d: split it by subject, or list it with its reason", what, n, limit)
		}
	}
	for _, f := range written(t) {
		if n := strings.Count(f.text, "\n"); n > 300 {
			tooLarge(f.path, n, 300)
		} else if strings.HasPrefix(f.path, "apps/") && path.Base(f.path) == "main.go" && n > 80 {
			tooLarge(f.path, n, 80)
		}
		limit := 40
		if path.Base(f.path) == "main.go" || f.test() || strings.HasPrefix(f.path, "tests/") {
			limit = 80
		}
		for _, d := range f.Decls {
			if function, ok := d.(*ast.FuncDecl); ok {
				n := f.fset.Position(function.End()).Line - f.fset.Position(function.Pos()).Line + 1
				if n > limit {
					tooLarge(f.path+" "+function.Name.Name, n, limit)
				}
			}
		}
	}
	for _, name := range unused {
		t.Errorf("%s is listed as large and is not", name)
	}
}
