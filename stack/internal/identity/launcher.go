package identity

import (
	"os"
	"path/filepath"
	"strings"

	"sidecart/stack/internal/instance"
	"sidecart/stack/internal/secret"
)

// WriteLauncher writes the folder for DAPR_RUNTIME_PATH, in which Dapr's CLI finds .dapr/bin/daprd: a script that
// starts the real daprd with what neither the run template nor the CLI can set. These are sentry's address (the CLI
// 1.16 knows only localhost:50001), each app's token for sentry, and extra arguments. Sidecars wait up to five seconds
// until the gateway's has created the database of names: when two create it concurrently, one fails.
func WriteLauncher(i instance.Instance, daprd string, extra []string) (string, error) {
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
		"# Starts daprd for Dapr's CLI; made by `make infra`.",
		"app= last=",
		"for word; do",
		`  [ "$last" != --app-id ] || app=$word`,
		"  last=$word",
		"done",
		"n=0",
		`while [ "$app" != gateway ] && [ ! -s ` + secret.ShellQuote(i.Path("names.db")) + ` ] && [ $n -lt 50 ]`,
		"do sleep 0.1; n=$((n+1)); done",
		`[ "$app" = gateway ] || sleep 0.5`,
		"export " + tokenVariable + "=" + secret.ShellQuote(i.Path("identities")+"/") + `"$app".jwt`,
		"exec " + secret.ShellQuote(daprd) + ` "$@" ` + strings.Join(append(SidecarArgs(i), extra...), " "),
		"",
	}, "\n")
	return dir, os.WriteFile(filepath.Join(bin, "daprd"), []byte(script), 0o700) //nolint:gosec // a program
}
