// Users is the service of accounts, sign-ins and sessions.
package main

import (
	"context"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/service"
)

func main() { service.Main("users", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := readSettings(&s.Env)
	signer, err := connect(ctx, s, cfg.issuer)
	if err != nil {
		return err
	}
	outbox, err := s.OpenDatabase(ctx, "users-database-url",
		account.Migrations, mailtoken.Migrations, session.Migrations)
	if err != nil {
		return err
	}
	audits, err := audit.Open(ctx, outbox.Pool)
	if err != nil {
		return err
	}
	lockouts := lockout.NewFallbackStore(lockout.NewDaprStore(s.Sidecar))
	mailTokens := mailtoken.NewService(outbox.Pool, signer.Derive("mail tokens"), cfg.mails)
	accounts := account.NewService(outbox, account.Dependencies{
		Passwords:  account.NewPasswords(cfg.bcryptCost, cfg.bcryptConcurrency),
		Lockouts:   lockout.NewService(lockouts, signer.Derive("lockouts"), cfg.lockouts),
		Sessions:   account.Sessions{End: session.End, Export: session.Export, Erase: session.Erase},
		MailTokens: mailTokens, Exports: account.NewExports(s.Sidecar.Invoke),
		FirstIsAdmin: cfg.firstIsAdmin, RequireVerifiedEmail: cfg.emailVerified,
	})
	sessions := session.NewService(outbox, accounts, signer, cfg.tokens)
	if err := sessions.LoadKeys(ctx); err != nil {
		return err
	}
	app := s.NewApp(ctx, cfg.web, sessions.Revocations)
	accounts.Routes(app)
	mailTokens.Routes(app)
	audits.Routes(app)
	sessions.Routes(app)
	s.Relay(s.Sidecar.Publish, true)
	s.Go(sessions.Watch)
	s.Go(accounts.ProcessMailRequests)
	s.Every("prune-sessions", "@every 1h", sessions.Prune)
	return s.Serve(ctx)
}

// connect connects to the sidecar and returns a signer with its secret.
func connect(ctx context.Context, s *service.Service, issuer string) (*auth.Signer, error) {
	if err := s.Connect(ctx); err != nil {
		return nil, err
	}
	secret, err := s.Sidecar.Secret(ctx, "JWT_SECRET_KEY")
	if err != nil {
		return nil, err
	}
	signer, err := auth.NewSigner(secret)
	if err == nil {
		signer.Issuer = issuer
	}
	return signer, err
}
