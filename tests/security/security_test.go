// Package security attacks the ports of a running platform, one attack a test. The rate limits are the defaults:
// each client of these tests has an address of its own (127.x.y.z), and so limits of its own.
package security_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/tests/client"
	"sidecart/tests/e2e"
	"sidecart/tests/platform"
)

var running *platform.Platform

func TestMain(m *testing.M) {
	os.Exit(platform.Main(m, "security", 9100, func(p *platform.Platform) { running = p }, "--replicas", "gateway=2,users=2"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var addresses atomic.Uint32

// anonymous returns a client without a token and with an unused address.
func anonymous() client.Client {
	n := addresses.Add(1)
	return client.Client{Base: running.URL(), From: fmt.Sprintf("127.77.%d.%d", n/250, n%250+1)}
}

const password = "a password of sixteen words"

var firstAdmin = sync.OnceValues(func() (c client.Client, err error) {
	visitor := anonymous()
	account := map[string]string{"username": "root", "email": "root@example.com", "password": password, "full_name": "Root"}
	ctx := context.Background()
	if err := visitor.Call(ctx, "POST /api/v1/auth/register", account, 201, nil); err != nil {
		return c, err
	}
	return visitor.SignIn(ctx, "root", password)
})

// admin returns the first account of the platform.
func admin(t *testing.T) client.Client {
	t.Helper()
	c, err := firstAdmin()
	must(t, err)
	return c
}

// newUser registers an account, and returns it signed in with its name.
func newUser(t *testing.T) (c client.Client, name string) {
	t.Helper()
	admin(t) // the first account
	visitor := anonymous()
	name = "user-" + shop.NewID().String()[24:]
	must(t, visitor.Call(t.Context(), "POST /api/v1/auth/register",
		map[string]string{"username": name, "email": name + "@example.com", "password": password}, 201, nil))
	c, err := visitor.SignIn(t.Context(), name, password)
	must(t, err)
	return c, name
}

var sharedProduct = sync.OnceValues(func() (id int64, err error) {
	c, err := firstAdmin()
	if err != nil {
		return 0, err
	}
	var category, product struct{ ID int64 }
	if err := c.Call(context.Background(), "POST /api/v1/categories", client.Raw(e2e.Category), 201, &category); err != nil {
		return 0, err
	}
	body := strings.NewReplacer(`"category_id":1`, fmt.Sprintf(`"category_id":%d`, category.ID),
		`"initial_quantity":50`, `"initial_quantity":100000`)
	err = c.Call(context.Background(), "POST /api/v1/products", client.Raw(body.Replace(e2e.Product)), 201, &product)
	return product.ID, err
})

// product returns the id of a product for sale.
func product(t *testing.T) int64 {
	t.Helper()
	id, err := sharedProduct()
	must(t, err)
	return id
}

// orderBody returns an order for one unit of the product.
func orderBody(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer(`"product_id":1`, fmt.Sprintf(`"product_id":%d`, product(t)),
		`"quantity":2`, `"quantity":1`).Replace(e2e.Order)
}

func placeOrder(t *testing.T, c client.Client) (order client.Order) {
	t.Helper()
	must(t, c.Call(t.Context(), "POST /api/v1/orders", client.Raw(orderBody(t)), 201, &order))
	return order
}

// do sends a request and fails the test only if there is no response.
func do(t *testing.T, c client.Client, call string, body any, headers ...string) client.Response {
	t.Helper()
	a, err := c.Do(t.Context(), call, body, headers...)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	return a
}

// internals are words of responses that reveal stacks, addresses, libraries or queries.
var internals = []string{"goroutine ", ".go:", "panic", "runtime error", "127.0.0.1:", "localhost:", "SQLSTATE", "pgx", "select ",
	"insert ", "/apps/", "/kit/", "dapr", "ERR_", "rpc error", "fasthttp"}

// refused fails the test unless a response has one of the wanted statuses, is a problem (RFC 9457) with the given code,
// and reveals no internals.
func refused(t *testing.T, what string, res client.Response, code string, want ...int) {
	t.Helper()
	ok := false
	for _, status := range want {
		ok = ok || res.Status == status
	}
	if !ok {
		t.Errorf("%s: %d, want %v: %.300s", what, res.Status, want, res.Body)
		return
	}
	if media := res.Header.Get("Content-Type"); !strings.HasPrefix(media, fault.ContentType) {
		t.Errorf("%s: %d with content type %q: %.300s", what, res.Status, media, res.Body)
	}
	if !strings.Contains(string(res.Body), `"`+code) {
		t.Errorf("%s: no code %s: %.300s", what, code, res.Body)
	}
	for _, word := range internals {
		if strings.Contains(string(res.Body), word) {
			t.Errorf("%s: the response reveals %q: %.500s", what, word, res.Body)
		}
	}
}

// sendRaw sends text to the gateway, closes the sending side, and returns the responses until the connection closes.
func sendRaw(t *testing.T, text string) []client.Response {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(running.URL(), "http://"))
	must(t, err)
	defer conn.Close() //nolint:errcheck // a test's end
	must(t, conn.SetDeadline(time.Now().Add(25*time.Second)))
	// The gateway may refuse it before all of it is sent.
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	received, _ := io.ReadAll(conn)
	return parseResponses(t, received)
}

func parseResponses(t *testing.T, text []byte) (responses []client.Response) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(text))
	for {
		if _, err := reader.Peek(1); err != nil {
			return responses
		}
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("invalid HTTP: %v in %.500q", err, text)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // read to its end
		if err != nil {
			t.Fatalf("truncated response: %v in %.500q", err, text)
		}
		responses = append(responses, client.Response{Status: res.StatusCode, Header: res.Header, Body: body})
	}
}

// sendOne is sendRaw with exactly one response.
func sendOne(t *testing.T, what, text string) client.Response {
	t.Helper()
	responses := sendRaw(t, text)
	if len(responses) != 1 {
		t.Errorf("%s: %d responses: %+v", what, len(responses), responses)
		return client.Response{Header: http.Header{}}
	}
	return responses[0]
}
