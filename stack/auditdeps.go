package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
)

// auditDeps is `make audit-deps`: every module that is used is what go.sum says, also where somebody changed it after the
// download, and none of the code that is reached in it has a weakness that is known. The second needs the database at
// vuln.go.dev, or a copy of it: what is given is handed on to govulncheck, like -db file:///srv/vulndb.
func auditDeps(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.To(os.Stderr)}
	k.log.Say("modules against go.sum")
	if err := k.run("go", "mod", "verify"); err != nil {
		return err
	}
	path, err := program.Vulnerable.Ensure(ctx, c.Instance, k.log)
	if err != nil {
		return err
	}
	packages, err := k.packages()
	if err != nil {
		return err
	}
	for _, pattern := range packages {
		module := strings.TrimSuffix(pattern, "/...")
		k.log.Say("known weaknesses in what %s calls", module)
		if err := k.run(path, slices.Concat([]string{"-C", module}, c.args, []string{"./..."})...); err != nil {
			return err
		}
	}
	return nil
}
