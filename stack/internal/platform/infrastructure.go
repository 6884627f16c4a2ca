package platform

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// startInfrastructure starts what the services need, concurrently as far as possible, and builds the services
// meanwhile.
func (r *run) startInfrastructure(ctx context.Context) error {
	postgres, redis, err := program.Servers(ctx, r.log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.startPostgres(ctx, postgres) })
	g.Go(func() error { return r.startAndWait(ctx, redisSpec(r.Instance, redis, r.set)) })
	g.Go(func() error {
		mailHog, err := program.MailHog.Ensure(ctx, r.Instance, r.log)
		if err != nil {
			return err
		}
		return r.startAndWait(ctx, mailSpec(r.Instance, mailHog))
	})
	g.Go(func() (err error) {
		if r.dapr, err = program.EnsureDapr(ctx, r.Instance, r.log); err != nil {
			return err
		}
		if err := r.startAndWait(ctx, sentrySpec(r.Instance, r.dapr)); err != nil {
			return err
		}
		r.super.Start(ctx, placementSpec(r.Instance, r.dapr))
		r.super.Start(ctx, schedulerSpec(r.Instance, r.dapr))
		if r.InfraOnly {
			return r.prepareCLI(ctx)
		}
		return r.buildApps(ctx)
	})
	return g.Wait()
}

func (r *run) startPostgres(ctx context.Context, bin string) error {
	password, err := secret.SuperuserPassword(r.Instance)
	if err != nil {
		return err
	}
	server := postgresServer(r.Instance, bin, password)
	err = r.log.Step("initialising Postgres", "its databases", func() error { return server.Init(ctx) })
	if err != nil {
		return err
	}
	spec, err := server.Spec(postgresName)
	if err != nil {
		return err
	}
	if err := r.startAndWait(ctx, spec); err != nil {
		return err
	}
	owners, err := r.set.Owners()
	if err != nil {
		return err
	}
	return server.Create(ctx, owners)
}

// prepareCLI writes what `dapr run -f` needs, and waits until it can work.
func (r *run) prepareCLI(ctx context.Context) error {
	runtime, err := identity.WriteLauncher(r.Instance, r.dapr.Daprd, template.Loopback)
	if err != nil {
		return err
	}
	env, err := identity.TrustEnv(r.Instance)
	if err != nil {
		return err
	}
	if err := secret.WriteEnv(r.Instance, runtime, append(env, template.Tracing(os.Getenv(template.TracingEndpoint))...)); err != nil {
		return err
	}
	if err := r.await(ctx, placementName); err != nil {
		return err
	}
	return r.await(ctx, schedulerName)
}

func (r *run) startAndWait(ctx context.Context, spec proc.Spec) error {
	r.super.Start(ctx, spec)
	return r.await(ctx, spec.Name)
}

// await waits two minutes at most: Postgres may have to recover.
func (r *run) await(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := r.log.Step("waiting for "+name, "the services", func() error { return r.super.WaitReady(ctx, name) })
	if err != nil {
		return fmt.Errorf("%w\n%s", err, proc.Tail(r.Log(name), 2000))
	}
	return nil
}
