package deploy

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// Templates is the folder of templates. A template has the path of the file that it makes, and ".tmpl" after it. One
// with "_app_" in its path makes a file for each app. Its values are a Platform, or a struct of Platform and App. What
// several templates define together is in _*.tmpl.
const Templates = "tools/deploygen/templates"

const perApp = "_app_"

// Files are the generated files, by their paths from the root.
func Files(root string) (map[string]string, error) {
	p, err := Read(root)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	dir := filepath.Join(root, Templates)
	shared, err := parseShared(dir)
	if err != nil {
		return nil, err
	}
	return files, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "_") {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // of the repository
		if err != nil {
			return err
		}
		t, err := template.Must(shared.Clone()).New(filepath.ToSlash(name)).Parse(string(text))
		if err != nil {
			return fmt.Errorf("%s/%w", Templates, err)
		}
		return render(files, p, t)
	})
}

func parseShared(dir string) (*template.Template, error) {
	shared := template.New("").Delims("<%", "%>").Option("missingkey=error").Funcs(functions)
	paths, err := filepath.Glob(filepath.Join(dir, "_*.tmpl"))
	if err != nil || len(paths) == 0 {
		return shared, err
	}
	return shared.ParseFiles(paths...)
}

func render(files map[string]string, p Platform, t *template.Template) error {
	name := t.Name()
	output := strings.TrimSuffix(name, ".tmpl")
	if !strings.Contains(output, perApp) {
		return execute(files, t, output, p)
	}
	for _, a := range p.Apps {
		path := strings.ReplaceAll(output, perApp, a.ID)
		if err := execute(files, t, path, struct {
			Platform
			App App
		}{p, a}); err != nil {
			return err
		}
	}
	return nil
}

func execute(files map[string]string, t *template.Template, path string, values any) error {
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return fmt.Errorf("%s/%w", Templates, err)
	}
	files[path] = out.String()
	return nil
}

// functions are those of templates, in addition to Go's own.
var functions = template.FuncMap{
	"join": strings.Join, "upper": strings.ToUpper,
	"internalPort": func() int { return InternalPort },
	"add":          func(a, b int) int { return a + b },
	// indent puts spaces before each line but the first.
	"indent": func(n int, text string) string {
		return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", n))
	},
	"list": func(all ...string) []string { return all }, "in": contains,
	// title makes a name for CloudFormation: PUBLIC_URL is PublicUrl.
	"title": title, "megabytes": Megabytes,
	// key is a file's name as a key in YAML and as a name in Swarm.
	"key": strings.NewReplacer("/", "-", ".", "-").Replace,
	// quote makes a YAML string of any text.
	"quote": func(v any) string { return fmt.Sprintf("%q", fmt.Sprint(v)) },
	// mi writes a size such as 256M, which is 256 MiB, as Kubernetes does.
	"mi": func(size string) string { return strings.TrimSuffix(size, "M") + "Mi" },
}
