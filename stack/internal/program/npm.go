package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/progress"
)

const minNode = 20

// Redocly installs the linter of OpenAPI documents that tools/openapi pins, and returns its path. It fails with
// ErrMissing on a machine without Node.js.
func Redocly(ctx context.Context, i instance.Instance, log *progress.Log) (string, error) {
	return npm(ctx, i, log, "openapi", ".bin/redocly", "linting docs/openapi.json")
}

// Axe installs the accessibility checker that tools/axe pins, and returns the path of its script. It fails with
// ErrMissing on a machine without Node.js.
func Axe(ctx context.Context, i instance.Instance, log *progress.Log) (string, error) {
	return npm(ctx, i, log, "axe", "axe-core/axe.min.js", "checking the pages")
}

// npm installs the packages that tools/<module> pins, unless they are up to date, and returns the path of a file in
// node_modules.
func npm(ctx context.Context, i instance.Instance, log *progress.Log, module, file, next string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil || major(ctx, "node") < minNode {
		return "", fmt.Errorf("node %d or newer, with npm: %w", minNode, ErrMissing)
	}
	dir := filepath.Join(i.Bin(), module)
	path := filepath.Join(dir, "node_modules", filepath.FromSlash(file))
	target := target{module: module, name: module + ".npm", programs: []string{path}}
	return path, target.ensure(i, func() error {
		pins := os.DirFS(filepath.Join(i.Root, "tools", module))
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, pins)); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		err := log.Step("installing tools/"+module, next+"; this happens once", func() error { return proc.Run(cmd) })
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755) //nolint:gosec // a target's programs are executable, and this may be a script
	})
}
