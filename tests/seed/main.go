// Seed fills a running shop with data to look at: a tree of categories, products with pictures, buyers, and months of
// orders. It uses the public API, so its data is as consistent as real data. Then it moves its orders into the past, in
// the database (backdate.go). It creates the same data in each run, and only what is missing.
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
	username := flag.String("username", "testuser", "an administrator; registered if the platform is empty")
	dir := flag.String("dir", filepath.Join(".sidecart", "run"), "the folder of the platform's instance, for its secrets")
	pictures := flag.Bool("pictures", true, "draw pictures of the products")
	orders := flag.Int("orders", orderCount, "number of orders")
	password := flag.String("password", "SecurePassword123!", "the administrator's password")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s := &shop{anonymous: client.Client{Base: *base}, dir: *dir, noPictures: !*pictures, orderCount: *orders}
	if err := run(ctx, s, *username, *password); err != nil {
		fmt.Fprintln(os.Stderr, "\nseed:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to close
	}
}

// shop is the state of the steps.
type shop struct {
	anonymous, admin client.Client
	products         []product
	buyers           []client.Client
	dir              string // of the instance
	noPictures       bool
	orderCount       int
}

type product struct {
	ID         int64
	SKU, Name  string
	CategoryID int64 `json:"category_id"`
	Images     []struct{ ID int64 }
}

func run(ctx context.Context, s *shop, username, password string) (err error) {
	started := time.Now()
	if s.admin, err = account(ctx, s.anonymous, username, password, "The Shopkeeper"); err != nil {
		return fmt.Errorf("%w\nis the platform running? start it with: make run", err)
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"categories", s.categories}, {"products", s.importProducts}, {"pictures", s.pictures},
		{"buyers", s.signUpBuyers}, {"orders", s.placeOrders}, {"statuses", s.advanceOrders}, {"dates", s.backdate},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	fmt.Printf("\ndone in %s: %[2]s/docs, or %[2]s/api/v1/products?q=headphones&facets=true\n",
		time.Since(started).Round(time.Second), s.anonymous.Base)
	return nil
}

// account registers an account if need be, and signs in.
func account(ctx context.Context, anonymous client.Client, username, password, name string) (client.Client, error) {
	res, err := retry(ctx, anonymous, "POST /api/v1/auth/register", map[string]string{
		"username": username, "email": username + "@example.com", "password": password, "full_name": name})
	if err != nil {
		return anonymous, err
	}
	if res.Status != http.StatusCreated && res.Status != http.StatusConflict {
		return anonymous, res.Into(http.StatusCreated, nil)
	}
	return anonymous.SignIn(ctx, username, password)
}

// retry repeats a call that was rejected for its rate or for overload.
func retry(ctx context.Context, c client.Client, call string, body any, headers ...string) (client.Response, error) {
	for {
		res, err := c.Do(ctx, call, body, headers...)
		if err != nil || res.Status != http.StatusTooManyRequests && res.Status != http.StatusServiceUnavailable {
			return res, err
		}
		wait, err := time.ParseDuration(res.Header.Get("Retry-After") + "s")
		if err != nil {
			wait = time.Second
		}
		select {
		case <-ctx.Done():
			return res, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// each calls do for 0 to n-1, with a limit of concurrent calls, and shows the progress.
func each(ctx context.Context, name string, n, limit int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	shown := time.Time{}
	for i := range n {
		if time.Since(shown) > time.Second {
			fmt.Printf("\r%-12s %d of %d   ", name, i, n)
			shown = time.Now()
		}
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return do(ctx, i) })
	}
	err := g.Wait()
	fmt.Printf("\r%-12s %d of %d   \n", name, n, n)
	return err
}
