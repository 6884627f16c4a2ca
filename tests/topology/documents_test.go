package topology

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sidecart/tools/daprgen/access"
	"sidecart/tools/daprgen/source"
)

func markdown(t *testing.T) (files []string) {
	t.Helper()
	for _, file := range source.Files(t) {
		if strings.HasSuffix(file, ".md") {
			files = append(files, file)
		}
	}
	return files
}

var (
	link     = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)]*))?\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	noAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the fragments of a Markdown file's headings, as GitHub makes them.
func anchors(text string) (all []string) {
	for _, found := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-")
		name := anchor
		for n := 1; slices.Contains(all, name); n++ {
			name = anchor + "-" + strconv.Itoa(n)
		}
		all = append(all, name)
	}
	return all
}

// TestLinks: each relative link of a document leads to a file, and its fragment to a heading.
func TestLinks(t *testing.T) {
	checked := 0
	for _, file := range markdown(t) {
		for _, found := range link.FindAllStringSubmatch(source.Read(t, file), -1) {
			if strings.Contains(found[1], ":") {
				continue
			}
			checked++
			target := file
			if found[1] != "" {
				target = path.Join(path.Dir(file), found[1])
			}
			if _, err := os.Stat(filepath.Join(source.Root(t), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, found[1])
				continue
			}
			if found[2] != "" && !slices.Contains(anchors(source.Read(t, target)), found[2]) {
				t.Errorf("%s links to %s#%s, and %s has no such heading", file, found[1], found[2], target)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d links were found", checked)
	}
}

var (
	makeCommand = regexp.MustCompile("(?:`|(?m:^ *))make ([a-z][a-z-]*)")
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	pathInCode  = regexp.MustCompile("`((?:apps|kit|stack|tests|dapr|components|deploy|docs|tools|tye)/[\\w./-]*)`")
)

// TestCommands: each `make ...` of a document is a target, and each path in it exists.
func TestCommands(t *testing.T) {
	var targets []string
	for _, found := range makeTarget.FindAllStringSubmatch(source.Read(t, "Makefile"), -1) {
		targets = append(targets, found[1])
	}
	for _, file := range markdown(t) {
		text := source.Read(t, file)
		for _, found := range makeCommand.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(targets, found[1]) {
				t.Errorf("%s: `make %s` is not a target of the Makefile", file, found[1])
			}
		}
		for _, found := range pathInCode.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(source.Root(t), filepath.FromSlash(found[1]))); err != nil {
				t.Errorf("%s: %s does not exist", file, found[1])
			}
		}
	}
}

var (
	endpointRow = regexp.MustCompile(`(?m)^\| ((?:GET|POST|PUT|PATCH|DELETE) /\S*) \|`)
	topicWord   = regexp.MustCompile("`([a-z]+\\.[a-z_]+)`")
)

// route is a typed route: what it is called, "POST /orders", and what its caller needs.
type route struct{ do, need string }

// routes are the typed routes of each service that are not internal.
func routes(t *testing.T) map[string][]route {
	t.Helper()
	found := map[string][]route{}
	for _, call := range source.Calls(t, func(name string) bool { return name == "sidecart/kit/web.Handle" }) {
		internal := false
		for _, option := range call.Expr.Args[min(4, len(call.Expr.Args)):] {
			if name, ok := option.(*ast.SelectorExpr); ok && name.Sel.Name == "Internal" {
				internal = true
			}
		}
		service := source.Service(call.Package)
		switch {
		case service == "":
		case call.Text(1) == "":
			t.Errorf("%s: the path of this route is not a constant", call.At())
		case !internal:
			found[service] = append(found[service], route{call.Text(1), call.Text(2)})
		}
	}
	return found
}

// TestServiceDocuments: the README of each service lists its endpoints and the events that it publishes and consumes.
func TestServiceDocuments(t *testing.T) {
	all := routes(t)
	for _, a := range apps(t) {
		file := "apps/" + a.ID + "/README.md"
		if !slices.Contains(source.Files(t), file) {
			t.Errorf("%s is missing", file)
			continue
		}
		text := source.Read(t, file)
		if a.ID != "gateway" { // its routes are those of the others
			var listed []string
			for _, row := range endpointRow.FindAllStringSubmatch(text, -1) {
				listed = append(listed, row[1])
			}
			var own []string
			for _, r := range all[a.ID] {
				own = append(own, r.do)
			}
			slices.Sort(listed)
			slices.Sort(own)
			if !slices.Equal(listed, own) {
				t.Errorf("%s lists\n%s\nand the code has\n%s", file, strings.Join(listed, "\n"), strings.Join(own, "\n"))
			}
		}
		published, consumed := access.EventsOf(t, a.ID)
		for verb, want := range map[string][]string{"publishes": published, "consumes": consumed} {
			if got := topicsAfter(text, "**"+verb+"**"); !slices.Equal(got, want) {
				t.Errorf("%s: %s %v, want %v", file, verb, got, want)
			}
		}
	}
}

// topicsAfter are the topics in the list entry of a README that begins with a word.
func topicsAfter(text, word string) (topics []string) {
	_, rest, _ := strings.Cut(text, "- "+word)
	entry, _, _ := strings.Cut(rest, "\n\n")
	entry, _, _ = strings.Cut(entry, "\n- ")
	for _, found := range topicWord.FindAllStringSubmatch(entry, -1) {
		topics = append(topics, found[1])
	}
	slices.Sort(topics)
	return topics
}

var decisionPart = regexp.MustCompile(`(?m)^- \*\*(\w+):\*\* `)

// TestDecisions: each decision has the same four parts, in at most eight lines.
func TestDecisions(t *testing.T) {
	text, _, _ := strings.Cut(source.Read(t, "docs/decisions.md"), "\n## Dependencies\n")
	entries := strings.Split(text, "\n### ")[1:]
	for _, entry := range entries {
		title, body, _ := strings.Cut(entry, "\n")
		body, _, _ = strings.Cut(body+"\n", "\n\n")
		var parts []string
		for _, found := range decisionPart.FindAllStringSubmatch(body, -1) {
			parts = append(parts, found[1])
		}
		if !slices.Equal(parts, []string{"Decision", "Why", "Alternatives", "Cost"}) {
			t.Errorf("docs/decisions.md: %s has the parts %v, want Decision, Why, Alternatives, Cost", title, parts)
		}
		if lines := strings.Count(body, "\n") + 1; lines > 8 {
			t.Errorf("docs/decisions.md: %s has %d lines, at most 8 are for one decision", title, lines)
		}
	}
	if len(entries) < 50 {
		t.Errorf("only %d decisions were found", len(entries))
	}
}
