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
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

// products is the number of products.
const products = 1000

// buyers is the number of accounts that sign in: so many that concurrent attempts are rarely for one account, which
// five failures would lock.
const buyers = 250

// ordering is the number of buyers that place orders. With few, the order of each one's mails would be the limit.
const ordering = 50

const signIn = `{"username":"buyer-NUMBER","password":"SecurePassword123!"}`

var order = strings.Replace(e2e.Order, `"product_id":1`, `"product_id":NUMBER`, 1)

// users are an admin, and the tokens of buyers who place orders.
type users struct {
	admin  client.Client
	buyers []string
}

// orders places orders of random buyers, each for one of so many products.
func (u users) orders(name string, products int) target {
	return target{name: name, url: u.admin.Base + "/api/v1/orders", body: order, random: products, tokens: u.buyers}
}

// setUp fills the shop and signs users in.
func setUp(ctx context.Context, base string) (all users, err error) {
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

// fill creates an admin, buyers, a category, and n products with unlimited stock.
func fill(ctx context.Context, base string, n int) (client.Client, error) {
	anonymous := client.Client{Base: base}
	if err := anonymous.Call(ctx, "POST /api/v1/auth/register", client.Raw(e2e.Register), 201, nil); err != nil {
		return anonymous, err
	}
	admin, err := anonymous.SignIn(ctx, "testuser", "SecurePassword123!")
	if err != nil {
		return admin, err
	}
	if err := admin.Call(ctx, "POST /api/v1/categories", client.Raw(e2e.Category), 201, nil); err != nil {
		return admin, err
	}
	var g errgroup.Group
	g.SetLimit(8)
	for i := range n {
		g.Go(func() error {
			product := strings.NewReplacer("WH-001", fmt.Sprintf("WH-%d", i),
				`"initial_quantity":50`, `"initial_quantity":900000000`).Replace(e2e.Product)
			return admin.Call(ctx, "POST /api/v1/products", client.Raw(product), 201, nil)
		})
	}
	for i := range buyers {
		g.Go(func() error {
			name := fmt.Sprintf("buyer-%d", i+1)
			buyer := strings.NewReplacer("testuser", name, "test@", name+"@").Replace(e2e.Register)
			return anonymous.Call(ctx, "POST /api/v1/auth/register", client.Raw(buyer), 201, nil)
		})
	}
	return admin, g.Wait()
}

// plainAddr is the address of the plain handler while it is measured.
const plainAddr = "127.0.0.1:12099"

// servePlain runs a Fiber handler that responds with 1 KB of JSON.
func servePlain(addr string) error {
	body := []byte(`{"text":"` + strings.Repeat("x", 1010) + `"}`)
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(body)
	})
	return app.Listen(addr)
}

// startPlain runs the plain handler in its own process, as the services are.
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
		if res, err := (client.Client{Base: "http://" + plainAddr}).Do(ctx, "GET /", nil); err == nil && res.Status == 200 {
			return stop, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return nil, errors.New("the plain handler does not respond")
}
