package identity

import (
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/secret"
)

// Launcher makes the folder for DAPR_RUNTIME_PATH, in which Dapr's CLI finds .dapr/bin/daprd. It is a script that
// starts the real daprd with what neither the run template nor the CLI can say: where sentry is (the CLI 1.16 knows
// only localhost:50001), each app's own token for it, and more arguments. The sidecars of the others wait, five seconds
// at most, until that of the gateway has made the file of names: of two that make it at once one fails.
func Launcher(i instance.Instance, daprd string, more []string) (string, error) {
	dir := i.Path("runtime")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	bin := filepath.Join(dir, ".dapr", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		return "", err
	}
	script := strings.Join([]string{
		"#!/bin/sh",
		"# daprd as Dapr's CLI is to start it; made by `make infra`.",
		"app= last=",
		"for word; do",
		`  [ "$last" != --app-id ] || app=$word`,
		"  last=$word",
		"done",
		"n=0",
		`while [ "$app" != gateway ] && [ ! -s ` + secret.Quote(i.Path("names.db")) + ` ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done`,
		`[ "$app" = gateway ] || sleep 0.5`,
		"export " + tokenVariable + "=" + secret.Quote(i.Path("identities")+"/") + `"$app".jwt`,
		"exec " + secret.Quote(daprd) + ` "$@" ` + strings.Join(append(SidecarArgs(i), more...), " "),
		"",
	}, "\n")
	return dir, os.WriteFile(filepath.Join(bin, "daprd"), []byte(script), 0o700) //nolint:gosec // a program
}
