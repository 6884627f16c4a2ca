package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sidecart/stack/internal/cluster"
	"sidecart/stack/internal/progress"
)

// unavailable is the exit code of a check that this machine cannot make.
const unavailable = 75

// kubeVerbs are the words after `stack kube`.
var kubeVerbs = map[string]func(ctx context.Context, k *cluster.Cluster, args []string) error{
	"start": func(ctx context.Context, k *cluster.Cluster, _ []string) error {
		if err := k.Prepare(ctx); err != nil {
			return err
		}
		return k.Start(ctx)
	},
	"stop":  func(_ context.Context, k *cluster.Cluster, _ []string) error { return k.Stop() },
	"load":  func(ctx context.Context, k *cluster.Cluster, args []string) error { return k.Load(ctx, args) },
	"apply": kubeApply, "validate": kubeValidate, "enter": kubeEnter,
}

// kube controls a Kubernetes of one node in .sidecart/kube.
func kube(ctx context.Context, c command) error {
	if len(c.args) == 0 || kubeVerbs[c.args[0]] == nil {
		return errors.New("stack kube start, stop, enter COMMAND..., load IMAGE..., apply FOLDER or validate FOLDER...")
	}
	return kubeVerbs[c.args[0]](ctx, cluster.New(c.Root, progress.New(os.Stderr)), c.args[1:])
}

func kubeApply(ctx context.Context, k *cluster.Cluster, args []string) error {
	if len(args) != 1 {
		return errors.New("which folder? for example: stack kube apply deploy/kubernetes/overlays/local")
	}
	return k.Apply(ctx, args[0])
}

func kubeValidate(ctx context.Context, k *cluster.Cluster, args []string) error {
	err := k.Validate(ctx, args)
	if errors.Is(err, cluster.ErrUnavailable) {
		fmt.Fprintln(os.Stderr, err)
		return exitCode(unavailable)
	}
	return err
}

func kubeEnter(ctx context.Context, k *cluster.Cluster, args []string) error {
	if len(args) == 0 {
		return errors.New("which command? for example: stack kube enter kubectl get pods -A")
	}
	cmd, err := k.Enter(ctx, args[0], args[1:]...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return withExitCode(cmd.Run())
}

// kubeInit is the first process of the node; `stack kube start` starts it.
func kubeInit(_ context.Context, c command) error {
	if len(c.args) != 2 {
		return errors.New("kube-init is started by: stack kube start")
	}
	return cluster.Init(c.Root, c.args[0], c.args[1])
}
