// Demo places a buyer's first order on a running platform and shows each request and response.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"sidecart/tests/client"
	"sidecart/tests/e2e"
)

func main() {
	base := flag.String("url", "http://localhost:8000", "the platform's address")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := (&demo{Client: client.Client{Base: *base}}).run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1) //nolint:gocritic // no deferred call matters
	}
}

type demo struct{ client.Client }

// run also works when it has run before: then account and product exist.
func (d *demo) run(ctx context.Context) (err error) {
	const register = "register (the first user of an empty platform is admin)"
	_, err = d.step(ctx, register, "POST /api/v1/auth/register", client.Raw(e2e.Register), 201, 409)
	if err != nil {
		return err
	}
	if d.Client, err = d.SignIn(ctx, "testuser", "SecurePassword123!"); err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	fmt.Println("\n# sign in\nPOST /api/v1/auth/login  username=testuser&password=...\n-> an access token, sent as Bearer from now on")
	var categories client.Page[struct{}]
	if err := d.Call(ctx, "GET /api/v1/categories?limit=1", nil, 200, &categories); err != nil {
		return err
	}
	if len(categories.Items) == 0 {
		if _, err := d.step(ctx, "create a category", "POST /api/v1/categories", client.Raw(e2e.Category), 201); err != nil {
			return err
		}
	}
	if _, err := d.step(ctx, "create a product", "POST /api/v1/products", client.Raw(e2e.Product), 201, 409); err != nil {
		return err
	}
	body, err := d.step(ctx, "order two", "POST /api/v1/orders", client.Raw(e2e.Order), 201)
	if err != nil {
		return err
	}
	var order client.Order
	if err := json.Unmarshal(body, &order); err != nil {
		return err
	}
	if err := d.awaitPaid(ctx, order.ID); err != nil {
		return err
	}
	for _, read := range [][2]string{
		{"the order", "GET /api/v1/orders/" + order.ID},
		{"the remaining stock", "GET /api/v1/products/1/inventory"},
		{"the buyer's notifications", "GET /api/v1/notifications?limit=2"},
	} {
		if _, err := d.step(ctx, read[0], read[1], nil, 200); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) awaitPaid(ctx context.Context, id string) error {
	start := time.Now()
	for {
		var order client.Order
		if err := d.Call(ctx, "GET /api/v1/orders/"+id, nil, 200, &order); err != nil {
			return err
		}
		if order.Status == "paid" {
			fmt.Printf("\n# the workflow charged the order and committed the stock in %d ms\n", time.Since(start).Milliseconds())
			return nil
		}
		if order.Status != "pending" {
			return fmt.Errorf("the order is %s: %+v", order.Status, order.History)
		}
		select {
		case <-ctx.Done():
			return errors.New("the order was not paid in time; see `make logs SERVICE=orders`")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// step sends a request, shows it with its response, and fails unless the status is one of want.
func (d *demo) step(ctx context.Context, title, call string, body any, want ...int) ([]byte, error) {
	res, err := d.Do(ctx, call, body)
	if err != nil {
		return nil, fmt.Errorf("%w\nis the platform running? start it with: make run", err)
	}
	fmt.Printf("\n# %s\n%s", title, call)
	if body != nil {
		fmt.Printf("  %s", body)
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, res.Body, "", "  ") != nil {
		pretty.Write(res.Body)
	}
	fmt.Printf("\n-> %d %s\n%s\n", res.Status, http.StatusText(res.Status), pretty.String())
	for _, status := range want {
		if res.Status == status {
			return res.Body, nil
		}
	}
	return nil, fmt.Errorf("%s: status %d", call, res.Status)
}
