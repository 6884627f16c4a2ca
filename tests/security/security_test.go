// Package security attacks a running platform as somebody would who can reach its ports, one attack a test. The limits are a
// laptop's, not lifted: each caller of these tests has an address of their own (127.x.y.z), and so limits of their own.
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
	"sidecart/tests/journey"
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

// stranger is nobody, calling from an address that nobody has called from.
func stranger() client.Client {
	n := addresses.Add(1)
	return client.Client{Base: running.URL(), From: fmt.Sprintf("127.77.%d.%d", n/250, n%250+1)}
}

const password = "a password of sixteen words"

var founder = sync.OnceValues(func() (c client.Client, err error) {
	nobody := stranger()
	account := map[string]string{"username": "root", "email": "root@example.com", "password": password, "full_name": "Root"}
	ctx := context.Background()
	if err := nobody.Call(ctx, "POST /api/v1/auth/register", account, 201, nil); err != nil {
		return c, err
	}
	return nobody.SignIn(ctx, "root", password)
})

// admin is the first account of the platform.
func admin(t *testing.T) client.Client {
	t.Helper()
	c, err := founder()
	must(t, err)
	return c
}

// person is somebody with a new account, and its name.
func person(t *testing.T) (c client.Client, name string) {
	t.Helper()
	admin(t) // comes first
	nobody := stranger()
	name = "user-" + shop.NewID().String()[24:]
	must(t, nobody.Call(t.Context(), "POST /api/v1/auth/register",
		map[string]string{"username": name, "email": name + "@example.com", "password": password}, 201, nil))
	c, err := nobody.SignIn(t.Context(), name, password)
	must(t, err)
	return c, name
}

var stall = sync.OnceValues(func() (id int64, err error) {
	c, err := founder()
	if err != nil {
		return 0, err
	}
	var category, product struct{ ID int64 }
	if err := c.Call(context.Background(), "POST /api/v1/categories", client.Raw(journey.Category), 201, &category); err != nil {
		return 0, err
	}
	body := strings.NewReplacer(`"category_id":1`, fmt.Sprintf(`"category_id":%d`, category.ID), `"initial_quantity":50`, `"initial_quantity":100000`)
	err = c.Call(context.Background(), "POST /api/v1/products", client.Raw(body.Replace(journey.Product)), 201, &product)
	return product.ID, err
})

// product is the id of one for sale.
func product(t *testing.T) int64 {
	t.Helper()
	id, err := stall()
	must(t, err)
	return id
}

// basket is the body of an order for one of the product.
func basket(t *testing.T) string {
	t.Helper()
	return strings.NewReplacer(`"product_id":1`, fmt.Sprintf(`"product_id":%d`, product(t)), `"quantity":2`, `"quantity":1`).Replace(journey.Order)
}

// buy places an order.
func buy(t *testing.T, c client.Client) (order client.Order) {
	t.Helper()
	must(t, c.Call(t.Context(), "POST /api/v1/orders", client.Raw(basket(t)), 201, &order))
	return order
}

// do makes a call and fails the test only if there is no answer.
func do(t *testing.T, c client.Client, call string, body any, headers ...string) client.Answer {
	t.Helper()
	a, err := c.Do(t.Context(), call, body, headers...)
	if err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	return a
}

// telling are words of an answer that tells what is inside: stacks, addresses, libraries, queries.
var telling = []string{"goroutine ", ".go:", "panic", "runtime error", "127.0.0.1:", "localhost:", "SQLSTATE", "pgx", "select ", "insert ", "/apps/", "/kit/",
	"dapr", "ERR_", "rpc error", "fasthttp"}

// refused fails the test unless an answer has one of the wanted statuses, is a problem (RFC 9457) with the code, if one is
// given, and tells nothing of the inside.
func refused(t *testing.T, what string, a client.Answer, code string, want ...int) {
	t.Helper()
	ok := false
	for _, status := range want {
		ok = ok || a.Status == status
	}
	if !ok {
		t.Errorf("%s: %d, want %v: %.300s", what, a.Status, want, a.Body)
		return
	}
	if media := a.Header.Get("Content-Type"); !strings.HasPrefix(media, fault.ContentType) {
		t.Errorf("%s: %d with content type %q: %.300s", what, a.Status, media, a.Body)
	}
	if !strings.Contains(string(a.Body), `"`+code) {
		t.Errorf("%s: no code %s: %.300s", what, code, a.Body)
	}
	for _, word := range telling {
		if strings.Contains(string(a.Body), word) {
			t.Errorf("%s: the answer tells of %q: %.500s", what, word, a.Body)
		}
	}
}

// raw sends bytes as they are to the gateway, ends the sending side, and returns the answers until the connection closes.
func raw(t *testing.T, text string) []client.Answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(running.URL(), "http://"))
	must(t, err)
	defer conn.Close() //nolint:errcheck // a test's end
	must(t, conn.SetDeadline(time.Now().Add(25*time.Second)))
	// It may be refused before all of it is sent.
	_, _ = io.WriteString(conn, text)
	_ = conn.(*net.TCPConn).CloseWrite()
	back, _ := io.ReadAll(conn) // what there is
	return answersIn(t, back)
}

func answersIn(t *testing.T, text []byte) (answers []client.Answer) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(text))
	for {
		if _, err := reader.Peek(1); err != nil {
			return answers
		}
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("no HTTP: %v in %.500q", err, text)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close() // read to its end
		if err != nil {
			t.Fatalf("half an answer: %v in %.500q", err, text)
		}
		answers = append(answers, client.Answer{Status: res.StatusCode, Header: res.Header, Body: body})
	}
}

// once is raw where exactly one answer must come.
func once(t *testing.T, what, text string) client.Answer {
	t.Helper()
	answers := raw(t, text)
	if len(answers) != 1 {
		t.Errorf("%s: %d answers: %+v", what, len(answers), answers)
		return client.Answer{Header: http.Header{}}
	}
	return answers[0]
}
