// Podinit is the helper of Sidecart's containers. It makes their secrets, holds the network that a service shares with
// its sidecar, and starts the sidecar with what it cannot read from a file itself. Images of services have no shell:
// this one static program does what scripts would do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

const usage = `usage:
  podinit secrets -dir DIR [-env FILE [-optional]] [-production] [-tls]
                            make the missing secrets in DIR, a folder for each container;
                            -production refuses settings that are unsafe for a public platform;
                            with -tls, Postgres and Redis speak TLS only
  podinit network           hold a pod's network until SIGTERM
  podinit sidecar [-dir DIR] -- PROGRAM ARGS
                            wait for the secrets in DIR (/run/sidecart), then become the sidecar
  podinit run [-dir DIR] [-app PROGRAM] -- PROGRAM ARGS
                            run a service (/app) and its sidecar in one container
  podinit certificate [-dir DIR] HOST
                            make a certificate for nginx in DIR (secrets/nginx), to try TLS
  podinit pack -dir DIR [-ca FILE] NAME
                            print the secrets of the container NAME as JSON, for a cloud's secret store;
                            FILE has the authority of an external database's certificate
  podinit unpack [-service DIR] [-write NAME=TEXT]... DIR
                            write the packed secrets in $SECRETS to DIR, and the service's to its own
  podinit database          create databases and roles from the packed secrets of postgres in $SECRETS, on the
                            server DATABASE_ADDR as DATABASE_USER with DATABASE_PASSWORD
  podinit copy DIR          copy this program into DIR, for a container of another image
  podinit kubernetes        make the missing secrets in the cluster and namespace of this pod
  podinit health [-pod] URL
                            fail unless URL responds with 2xx; -pod also ends the container when the network that
                            it joined has ended, so that it is restarted in the new one
`

// words are podinit's commands. Each returns the exit status, which counts if there is no error.
var words = map[string]func(ctx context.Context, args []string) (int, error){
	"secrets": secretsWord, "network": networkWord, "sidecar": sidecarWord, "run": runWord, "copy": copyWord,
	"certificate": certificateWord, "pack": packWord, "unpack": unpackWord, "database": databaseWord,
	"kubernetes": kubernetesWord,
	"health":     healthWord,
}

func main() {
	if len(os.Args) < 2 || words[os.Args[1]] == nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := words[os.Args[1]](ctx, os.Args[2:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "podinit %s: %v\n", os.Args[1], err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// options parses a word's options. It fails if there are not as many other arguments as the word takes: -1 is any
// number but none.
func options(word string, args []string, others int, define func(*flag.FlagSet)) ([]string, error) {
	flags := flag.NewFlagSet("podinit "+word, flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	define(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if n := flags.NArg(); n != others && (others >= 0 || n == 0) {
		return nil, fmt.Errorf("wrong number of arguments: %v\n%s", flags.Args(), usage)
	}
	return slices.Clone(flags.Args()), nil
}

// networkWord does nothing. Its container has the network of a pod, and keeps it while the service and its sidecar
// restart: a container that comes back alone would come back with another network.
func networkWord(ctx context.Context, args []string) (int, error) {
	if _, err := options("network", args, 0, func(*flag.FlagSet) {}); err != nil {
		return 0, err
	}
	fmt.Println("holding the network until SIGTERM")
	<-ctx.Done()
	return 0, nil
}
