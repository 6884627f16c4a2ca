package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/sync/errgroup"

	"sidecart/tests/client"
	"sidecart/tests/journey"
	"sidecart/tests/platform"
)

// products is how many there are to choose from.
const products = 1000

// buyers is how many accounts there are that sign in: so many that five tries at once, which lock an account, are of five.
const buyers = 250

// ordering is how many of them also order. A shop's orders are of many people: what waits for one person (their mails go out in
// order) is not what limits it.
const ordering = 50

const login = `{"username":"buyer-NUMBER","password":"SecurePassword123!"}`

var order = strings.Replace(journey.Order, `"product_id":1`, `"product_id":NUMBER`, 1)

// people are who the measurements ask as: an admin, and the tokens of buyers who order.
type people struct {
	admin  client.Client
	buyers []string
}

// orders is placing orders of one buyer or another, each of one of so many products.
func (all people) orders(name string, products int) target {
	return target{name: name, url: all.admin.Base + "/api/v1/orders", body: order, random: products, tokens: all.buyers}
}

// open opens the shop and signs in who orders.
func open(ctx context.Context, base string) (all people, err error) {
	if all.admin, err = fill(ctx, base, products); err != nil {
		return all, err
	}
	for i := range ordering {
		buyer, err := client.Client{Base: base}.SignIn(ctx, fmt.Sprintf("buyer-%d", i+1), "SecurePassword123!")
		if err != nil {
			return all, err
		}
		all.buyers = append(all.buyers, buyer.Token)
	}
	return all, nil
}

// fill opens the shop: an admin, buyers, a category, and n products that cannot run out.
func fill(ctx context.Context, base string, n int) (client.Client, error) {
	nobody := client.Client{Base: base}
	if err := nobody.Call(ctx, "POST /api/v1/auth/register", client.Raw(journey.Register), 201, nil); err != nil {
		return nobody, err
	}
	admin, err := nobody.SignIn(ctx, "testuser", "SecurePassword123!")
	if err != nil {
		return admin, err
	}
	if err := admin.Call(ctx, "POST /api/v1/categories", client.Raw(journey.Category), 201, nil); err != nil {
		return admin, err
	}
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			product := strings.NewReplacer("WH-001", fmt.Sprintf("WH-%d", i), `"initial_quantity":50`, `"initial_quantity":900000000`).Replace(journey.Product)
			return admin.Call(ctx, "POST /api/v1/products", client.Raw(product), 201, nil)
		})
	}
	for i := range buyers {
		g.Go(func() error {
			buyer := strings.NewReplacer("testuser", fmt.Sprintf("buyer-%d", i+1), "test@", fmt.Sprintf("buyer-%d@", i+1)).Replace(journey.Register)
			return nobody.Call(ctx, "POST /api/v1/auth/register", client.Raw(buyer), 201, nil)
		})
	}
	return admin, g.Wait()
}

// plainAddr is where the plain handler listens while it is measured.
const plainAddr = "127.0.0.1:12099"

// servePlain is a Fiber handler that answers 1 KB of JSON, and nothing else: what is above it is ours.
func servePlain(addr string) error {
	body := []byte(`{"text":"` + strings.Repeat("x", 1010) + `"}`)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(body)
	})
	return app.Listen(addr)
}

// startPlain runs the plain handler in a process of its own, as the services are.
func startPlain(ctx context.Context) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-floor", plainAddr) //nolint:gosec // ourselves
	if err := platform.StartBound(cmd); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 100 {
		if a, err := (client.Client{Base: "http://" + plainAddr}).Do(ctx, "GET /", nil); err == nil && a.Status == 200 {
			return stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return nil, errors.New("the plain handler does not answer")
}
