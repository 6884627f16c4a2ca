package main

import (
	"context"
	"errors"
	"os"
	"os/exec"

	"sidecart/stack/internal/secret"
)

// auditVerify walks the audit's chain in the instance's database, which must run.
func auditVerify(ctx context.Context, c command) error {
	set, err := secret.Load(c.Instance)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./apps/users/auditverify"}, c.args...)...)
	cmd.Dir = c.Root
	cmd.Env = append(os.Environ(), "AUDIT_DATABASE_URL="+set["users-database-url"])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(exit.ExitCode())
	}
	return err
}
