package main

import (
	"runtime"
	"time"

	"sidecart/apps/users/internal/lockout"
	"sidecart/apps/users/internal/mailtoken"
	"sidecart/apps/users/internal/session"
	"sidecart/kit/config"
	"sidecart/kit/web"
)

type settings struct {
	web                           web.Config
	issuer                        string
	firstIsAdmin, emailVerified   bool
	bcryptCost, bcryptConcurrency int
	lockouts                      lockout.Policy
	mails                         mailtoken.Lifetimes
	tokens                        session.Lifetimes
}

// readSettings reads the environment and adds errors to env.
func readSettings(env *config.Env) settings {
	return settings{
		web:               env.Web("8001"),
		issuer:            env.String("PUBLIC_URL", "http://localhost:8000"),
		firstIsAdmin:      env.OneOf("BOOTSTRAP_ADMIN", "off", "off", "first-user") == "first-user",
		emailVerified:     env.Bool("REQUIRE_VERIFIED_EMAIL", false),
		bcryptCost:        env.Int("BCRYPT_COST", 12, 4),
		bcryptConcurrency: env.Int("BCRYPT_CONCURRENCY", max(1, runtime.GOMAXPROCS(0)-1), 1),
		lockouts: lockout.Policy{
			NameFailures:    env.Int("LOCKOUT_FAILURES", 5, 1),
			AddressFailures: env.Int("LOCKOUT_ADDRESS_FAILURES", 100, 1),
			Duration:        env.Duration("LOCKOUT_DURATION", time.Minute),
			MaxDuration:     env.Duration("LOCKOUT_MAX_DURATION", time.Hour),
			Window:          env.Duration("LOCKOUT_WINDOW", 24*time.Hour),
		},
		mails: mailtoken.Lifetimes{
			Verify: env.Duration("VERIFY_TOKEN_TTL", 24*time.Hour),
			Reset:  env.Duration("RESET_TOKEN_TTL", 30*time.Minute),
		},
		tokens: session.Lifetimes{
			Access:  env.Duration("ACCESS_TOKEN_TTL", 15*time.Minute),
			Refresh: env.Duration("REFRESH_TOKEN_TTL", 720*time.Hour),
		},
	}
}
