// Report checks the invariants of a running platform and prints a table. Its exit code is 1 when one is broken.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"sidecart/tests/invariants"
)

func main() {
	dir := flag.String("dir", filepath.Join(".sidecart", "run"), "the folder of the platform's instance")
	grace := flag.Duration("grace", time.Minute, "changes within this time may still be in progress")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	holds, err := report(ctx, *dir, *grace)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "invariants:", err, "\nis the platform running? start it with: make run")
		os.Exit(2) //nolint:gocritic // no deferred call matters
	case !holds:
		os.Exit(1)
	}
}

func report(ctx context.Context, dir string, grace time.Duration) (holds bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "secrets.json")) //nolint:gosec // the operator's own folder
	if err != nil {
		return false, err
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil {
		return false, err
	}
	d, err := invariants.Open(ctx, func(name string) (string, error) { return secrets[name], nil })
	if err != nil {
		return false, err
	}
	defer d.Close() //nolint:errcheck // only read
	results, err := d.Check(ctx, grace)
	if err != nil {
		return false, err
	}
	w := tabwriter.NewWriter(os.Stdout, 2, 2, 2, ' ', 0)
	holds = true
	for _, f := range results {
		mark := "holds"
		if len(f.Wrong) > 0 {
			mark, holds = "BROKEN", false
		}
		fmt.Fprintf(w, "%s\t%s\t%d checked\t%d wrong\n", mark, f.Rule, f.Checked, len(f.Wrong))
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	for _, f := range results {
		for i, line := range f.Wrong {
			if i == 20 {
				fmt.Printf("  and %d more\n", len(f.Wrong)-i)
				break
			}
			if i == 0 {
				fmt.Printf("\nBroken: %s\n", f.Rule)
			}
			fmt.Println("  " + line)
		}
	}
	return holds, nil
}
