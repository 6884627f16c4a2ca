// Seed fills a running shop so that there is something to look at: a tree of categories, goods with pictures, buyers, and
// months of orders. It goes through the public API, like anybody, so what it makes is as whole as what people make; only then
// are its orders moved into the past, in the database (past.go). It makes the same each time, and when it is run again it makes only what
// is missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"sidecart/tests/client"
)

func main() {
	base := flag.String("url", "http://localhost:8000", "the platform's address")
	username := flag.String("username", "testuser", "an administrator, who is registered if nobody is yet")
	dir := flag.String("dir", filepath.Join(".sidecart", "run"), "the folder of the platform's instance, for its databases")
	pictures := flag.Bool("pictures", true, "draw pictures of the products")
	orders := flag.Int("orders", howMany, "how many orders to have behind it")
	password := flag.String("password", "SecurePassword123!", "their password")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &shop{nobody: client.Client{Base: *base}, dir: *dir, pictureless: !*pictures, howMany: *orders}, *username, *password); err != nil {
		fmt.Fprintln(os.Stderr, "\nseed:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to close
	}
}

// shop is what the steps have found out for those after them.
type shop struct {
	nobody, admin client.Client
	products      []product
	buyers        []client.Client
	dir           string // of the instance
	pictureless   bool
	howMany       int
}

type product struct {
	ID         int64
	SKU, Name  string
	CategoryID int64 `json:"category_id"`
	Images     []struct{ ID int64 }
}

func run(ctx context.Context, s *shop, username, password string) (err error) {
	started := time.Now()
	if s.admin, err = account(ctx, s.nobody, username, password, "The Shopkeeper"); err != nil {
		return fmt.Errorf("%w\nis the platform running? start it with: make run", err)
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"categories", s.categories}, {"products", s.goods}, {"pictures", s.pictures}, {"buyers", s.people}, {"orders", s.orders}, {"lives", s.lives}, {"past", s.past},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	fmt.Printf("\ndone in %s: %s/docs, or %s/api/v1/products?q=headphones&facets=true\n", time.Since(started).Round(time.Second), s.nobody.Base, s.nobody.Base)
	return nil
}

// account opens an account, or signs in to the one that is there.
func account(ctx context.Context, nobody client.Client, username, password, name string) (client.Client, error) {
	a, err := patiently(ctx, nobody, "POST /api/v1/auth/register", map[string]string{
		"username": username, "email": username + "@example.com", "password": password, "full_name": name})
	if err != nil {
		return nobody, err
	}
	if a.Status != http.StatusCreated && a.Status != http.StatusConflict {
		return nobody, a.Into(http.StatusCreated, nil)
	}
	return nobody.SignIn(ctx, username, password)
}

// patiently makes a call again when the shop says that it was too much at once.
func patiently(ctx context.Context, c client.Client, call string, body any, headers ...string) (client.Answer, error) {
	for {
		a, err := c.Do(ctx, call, body, headers...)
		if err != nil || a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
			return a, err
		}
		wait, err := time.ParseDuration(a.Header.Get("Retry-After") + "s")
		if err != nil {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return a, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// each does something for 0 to n-1, so many together, and says how far it is.
func each(ctx context.Context, what string, n, together int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	shown := time.Time{}
	for i := range n {
		if time.Since(shown) > time.Second {
			fmt.Printf("\r%-12s %d of %d   ", what, i, n)
			shown = time.Now()
		}
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(ctx, i) })
	}
	err := g.Wait()
	fmt.Printf("\r%-12s %d of %d   \n", what, n, n)
	return err
}
