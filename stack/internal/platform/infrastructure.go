package platform

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/stack/internal/identity"
	"sidecart/stack/internal/proc"
	"sidecart/stack/internal/program"
	"sidecart/stack/internal/secret"
	"sidecart/stack/internal/template"
)

// beneath starts what the services stand on, as far apart as it does not depend on one another, and builds them meanwhile.
func (r *run) beneath(ctx context.Context) error {
	postgres, redis, err := program.Servers(ctx, r.log)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.startDatabases(ctx, postgres) })
	g.Go(func() error {
		r.super.Start(ctx, redisServer(r.Instance, redis, r.set).Spec(redisName))
		return r.await(ctx, redisName, time.Minute)
	})
	g.Go(func() error { return r.startMail(ctx) })
	g.Go(func() (err error) {
		if r.dapr, err = program.EnsureDapr(ctx, r.Instance, r.log); err != nil {
			return err
		}
		r.super.Start(ctx, sentry(r.Instance, r.dapr))
		if err := r.await(ctx, sentryName, time.Minute); err != nil {
			return err
		}
		r.super.Start(ctx, placement(r.Instance, r.dapr))
		r.super.Start(ctx, scheduler(r.Instance, r.dapr))
		if r.InfraOnly {
			return r.forCLI(ctx)
		}
		return r.buildApps(ctx)
	})
	return g.Wait()
}

func (r *run) startMail(ctx context.Context) error {
	path, err := program.MailHog.Ensure(ctx, r.Instance, r.log)
	if err != nil {
		return err
	}
	r.super.Start(ctx, mailServer(r.Instance, path))
	return r.await(ctx, mailName, time.Minute)
}

func (r *run) startDatabases(ctx context.Context, bin string) error {
	pw, err := secret.Superuser(r.Instance)
	if err != nil {
		return err
	}
	server := postgresServer(r.Instance, bin, pw)
	done := r.log.Step("making the database server's data folder", "its databases")
	err = server.Init(ctx)
	done(err)
	if err != nil {
		return err
	}
	spec, err := server.Spec(postgresName)
	if err != nil {
		return err
	}
	r.super.Start(ctx, spec)
	if err := r.await(ctx, postgresName, 2*time.Minute); err != nil { // it may have much to recover
		return err
	}
	owners, err := owners(r.Instance, r.set)
	if err != nil {
		return err
	}
	return server.Create(ctx, owners)
}

func (r *run) forCLI(ctx context.Context) error {
	runtime, err := identity.Launcher(r.Instance, r.dapr.Daprd, template.Loopback)
	if err != nil {
		return err
	}
	anchors, err := identity.AnchorsEnv(r.Instance)
	if err != nil {
		return err
	}
	if err := secret.WriteEnv(r.Instance, runtime, append(anchors, tracing()...)); err != nil {
		return err
	}
	if err := r.await(ctx, placementName, time.Minute); err != nil {
		return err
	}
	return r.await(ctx, schedulerName, time.Minute)
}

func (r *run) await(ctx context.Context, name string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := r.log.Step("waiting for "+name, "the services")
	err := r.super.WaitReady(ctx, name)
	done(err)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, proc.Tail(r.Log(name), 2000))
	}
	return nil
}
