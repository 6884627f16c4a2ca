package main

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"sidecart/stack/internal/program"
	"sidecart/stack/internal/progress"
	"sidecart/stack/internal/secret"
)

// auditVerify verifies the hash chain of the audit log in the instance's database, which must run.
func auditVerify(ctx context.Context, c command) error {
	set, err := secret.Load(c.Instance)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./apps/users/auditverify"}, c.args...)...)
	cmd.Dir = c.Root
	cmd.Env = append(os.Environ(), "AUDIT_DATABASE_URL="+set["users-database-url"])
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return withExitCode(cmd.Run())
}

// auditDeps checks that every module in use has the hash in go.sum, also after its download, and that the code in use
// has no known vulnerability. The latter needs the database at vuln.go.dev or a copy: arguments go to govulncheck, for
// example -db file:///srv/vulndb.
func auditDeps(ctx context.Context, c command) error {
	k := checker{command: c, ctx: ctx, log: progress.New(os.Stderr)}
	k.log.Printf("verifying modules against go.sum")
	if err := k.run("go", "mod", "verify"); err != nil {
		return err
	}
	path, err := program.GoVulnCheck.Ensure(ctx, c.Instance, k.log)
	if err != nil {
		return err
	}
	packages, err := k.packages()
	if err != nil {
		return err
	}
	for _, pattern := range packages {
		module := strings.TrimSuffix(pattern, "/...")
		k.log.Printf("known vulnerabilities in the dependencies of %s", module)
		if err := k.run(path, append(append([]string{"-C", module}, c.args...), "./...")...); err != nil {
			return err
		}
	}
	return nil
}
