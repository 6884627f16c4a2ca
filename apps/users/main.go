// Users is the service that knows who people are and lets them in.
package main

import (
	"context"
	"runtime"
	"time"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/event"
	"sidecart/kit/service"
)

func main() { service.Main("users", run) }

func run(ctx context.Context, s *service.Service) error {
	cfg := s.Env.Web("8001")
	firstIsAdmin := s.Env.OneOf("BOOTSTRAP_ADMIN", "off", "off", "first-user") == "first-user"
	verifiedEmail := s.Env.Bool("REQUIRE_VERIFIED_EMAIL", false)
	passwords := account.NewPasswords(s.Env.Int("BCRYPT_COST", 12, 4), s.Env.Int("BCRYPT_CONCURRENCY", max(1, runtime.GOMAXPROCS(0)-1), 1))
	patience := lockout.Policy{
		NameFailures: s.Env.Int("LOCKOUT_FAILURES", 5, 1), AddressFailures: s.Env.Int("LOCKOUT_ADDRESS_FAILURES", 100, 1),
		Duration: s.Env.Duration("LOCKOUT_DURATION", time.Minute), MaxDuration: s.Env.Duration("LOCKOUT_MAX_DURATION", time.Hour),
		Window: s.Env.Duration("LOCKOUT_WINDOW", 24*time.Hour),
	}
	mails := mailtoken.Lifetimes{Verify: s.Env.Duration("VERIFY_TOKEN_TTL", 24*time.Hour), Reset: s.Env.Duration("RESET_TOKEN_TTL", 30*time.Minute)}
	tokens := session.Lifetimes{Access: s.Env.Duration("ACCESS_TOKEN_TTL", 15*time.Minute), Refresh: s.Env.Duration("REFRESH_TOKEN_TTL", 720*time.Hour)}
	issuer := s.Env.String("PUBLIC_URL", "http://localhost:8000")
	if err := s.Connect(ctx); err != nil {
		return err
	}
	secret, err := s.Sidecar.Secret(ctx, "JWT_SECRET_KEY")
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(secret)
	if err != nil {
		return err
	}
	outbox, err := s.OpenDatabase(ctx, "users-database-url", account.Migrations, mailtoken.Migrations, session.Migrations)
	if err != nil {
		return err
	}
	audits, err := audit.Open(ctx, outbox.Pool)
	if err != nil {
		return err
	}
	signer.Issuer = issuer
	mailTokens := mailtoken.NewService(outbox.Pool, signer.Derive("mail tokens"), mails)
	accounts := account.NewService(outbox, account.Dependencies{
		Passwords: passwords, MailTokens: mailTokens, FirstIsAdmin: firstIsAdmin, RequireVerifiedEmail: verifiedEmail,
		Lockouts: lockout.NewService(lockout.NewFallbackStore(lockout.NewDaprStore(s.Sidecar)), signer.Derive("lockouts"), patience),
		Sessions: account.Sessions{End: session.End, Export: session.Export, Erase: session.Erase},
		Exports:  account.NewExports(s.Sidecar.Invoke),
	})
	sessions := session.NewService(outbox, accounts, signer, tokens)
	if err := sessions.LoadKeys(ctx); err != nil {
		return err
	}
	app := s.NewApp(ctx, cfg, sessions.Revocations)
	accounts.Routes(app)
	mailTokens.Routes(app)
	audits.Routes(app)
	sessions.Routes(app)
	s.Relay(s.Sidecar.Publish, event.Retention)
	s.Go(sessions.Watch)
	s.Go(accounts.ProcessMailRequests)
	s.Every("prune-sessions", "@every 1h", sessions.Prune)
	return s.Serve(ctx)
}
