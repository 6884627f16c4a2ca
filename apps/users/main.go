// Users is the service that knows who people are and lets them in.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/apps/users/internal/account"
	"sidecart/apps/users/internal/audit"
	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/auth"
	"sidecart/kit/config"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/postgres"
	"sidecart/kit/sidecar"
	"sidecart/kit/telemetry"
	"sidecart/kit/web"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("users stops", "err", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var env config.Env
	cfg := env.Web("8001")
	firstIsAdmin := env.String("BOOTSTRAP_ADMIN", "off") == "first-user"
	verifiedEmail := env.Bool("REQUIRE_VERIFIED_EMAIL", false)
	passwords := account.NewPasswords(env.Int("BCRYPT_COST", 12, 4), env.Int("BCRYPT_AT_ONCE", 1, 1))
	patience := lockout.Policy{
		Name: env.Int("LOCKOUT_FAILURES", 5, 1), Address: env.Int("LOCKOUT_ADDRESS_FAILURES", 100, 1),
		First: env.Duration("LOCKOUT_WAIT", time.Minute), Most: env.Duration("LOCKOUT_MOST", time.Hour), Memory: env.Duration("LOCKOUT_MEMORY", 24*time.Hour),
	}
	mails := mailtoken.Lifetimes{Verify: env.Duration("VERIFY_TOKEN_TTL", 24*time.Hour), Reset: env.Duration("RESET_TOKEN_TTL", 30*time.Minute)}
	tokens := session.Lifetimes{Access: env.Duration("ACCESS_TOKEN_TTL", 15*time.Minute), Refresh: env.Duration("REFRESH_TOKEN_TTL", 720*time.Hour)}
	issuer := env.String("PUBLIC_URL", "http://localhost:8000")
	if err := env.Err(); err != nil {
		return err
	}
	flush, err := telemetry.Start(ctx, "users")
	if err != nil {
		return err
	}
	defer flush()

	dapr, err := sidecar.Connect(ctx)
	if err != nil {
		return err
	}
	secret, err := dapr.Secret(ctx, "JWT_SECRET_KEY")
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(secret)
	if err != nil {
		return err
	}
	url, err := dapr.Secret(ctx, "users-database-url")
	if err != nil {
		return err
	}
	db, err := postgres.Open(ctx, url, event.Migrations, idempotency.Migrations, account.Migrations, mailtoken.Migrations, session.Migrations)
	if err != nil {
		return err
	}
	defer db.Close()
	outbox := event.NewOutbox(db)
	audits, err := audit.Open(ctx, db)
	if err != nil {
		return err
	}

	signer.Issuer = issuer
	mailTokens := mailtoken.NewService(db, signer.Derive("mail tokens"), mails)
	accounts := account.NewService(outbox, account.Parts{
		Passwords: passwords, MailTokens: mailTokens, FirstIsAdmin: firstIsAdmin, VerifiedEmail: verifiedEmail,
		Lockouts:  lockout.NewService(lockout.NewShared(lockout.StateOf(dapr)), signer.Derive("lockouts"), patience),
		Sessions:  account.Sessions{End: session.End, Export: session.Export, Erase: session.Erase},
		Elsewhere: account.ExportsWith(dapr.Ask),
	})
	sessions := session.NewService(outbox, accounts, signer, tokens)
	if err := sessions.LoadKeys(ctx); err != nil {
		return err
	}
	verifier := auth.Follow(ctx, sessions.Trust)
	cfg.Verify = verifier.Verify
	app := web.New("users", cfg)
	app.Needs(web.Check{Name: "database", Ask: db.Ping}, web.Check{Name: "sidecar", Ask: dapr.Well})
	app.Prefers(web.Check{Name: "broker", Ask: dapr.Broker}, web.Check{Name: "sessions", Ask: verifier.Well})
	accounts.Routes(app)
	mailTokens.Routes(app)
	audits.Routes(app)
	sessions.Routes(app)
	event.SentRoute(app, "users", db)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return web.Serve(ctx, app) })
	g.Go(func() error { return event.Relay(ctx, outbox, "users", dapr.Publish, event.Kept) })
	g.Go(func() error { return idempotency.Prune(ctx, db) })
	g.Go(func() error { return sessions.Watch(ctx) })
	g.Go(func() error { return sessions.SchedulePruning(ctx, dapr.Every) })
	g.Go(func() error { return accounts.AnswerMail(ctx) })
	return g.Wait()
}
