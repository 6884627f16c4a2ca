// Package fuzz sends requests with hostile values to a running platform: in each parameter, header and field of each
// operation of its API document. Nothing of it may cause a 5xx, and what is accepted must be stored as it was sent.
package fuzz_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sidecart/kit/kittest/contract"
	"sidecart/tests/client"
	"sidecart/tests/platform"
)

var running *platform.Platform

func TestMain(m *testing.M) {
	_ = os.Setenv("RATE_LIMIT_SCALE", "1000000")
	_ = os.Setenv("ACCESS_TOKEN_TTL", "24h")
	_ = os.Setenv("LOCKOUT_FAILURES", "1000000")
	_ = os.Setenv("LOCKOUT_ADDRESS_FAILURES", "1000000")
	platform.Race = os.Getenv("FUZZ_REQUESTS") == "" // with it, thousands of requests take an hour
	os.Exit(platform.Main(m, "fuzz", 6400, func(p *platform.Platform) { running = p }))
}

// setting is a number in the environment.
func setting(t *testing.T, name string, fallback uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const workers = 4

// fuzzer sends requests. Request number n of a seed is always the same, but for ids that the platform makes.
type fuzzer struct {
	*document
	*report
	contract *contract.Contract
	host     string
	seed     uint64
	all      []target
	workers  []*worker
	usual    map[string]int // the status of a valid request, by operation
}

func TestHostileRequests(t *testing.T) {
	seed, requests := setting(t, "FUZZ_SEED", 1), setting(t, "FUZZ_REQUESTS", 300)
	f := newFuzzer(t, seed)
	f.baseline(t)
	if only := setting(t, "FUZZ_NUMBER", 0); only > 0 {
		f.one(f.workers[0], int(only))
		f.write(t)
		return
	}
	fmt.Printf("seed %d, %d requests at %d parts of %d operations\n", seed, requests, len(f.all), len(f.operations))
	began, next := time.Now(), make(chan int)
	var all sync.WaitGroup
	for _, w := range f.workers {
		all.Go(func() {
			for n := range next {
				f.one(w, n)
			}
		})
	}
	for n := range int(requests) {
		next <- n + 1
		if (n+1)%500 == 0 {
			fmt.Printf("%d requests in %s, %d problems of %d kinds\n", n+1, time.Since(began).Round(time.Second), f.count(), f.kinds())
		}
	}
	close(next)
	all.Wait()
	fmt.Printf("%d requests in %s, statuses %v\n", requests, time.Since(began).Round(time.Second), f.statuses)
	f.afterwards(t)
	f.write(t)
}

func newFuzzer(t *testing.T, seed uint64) *fuzzer {
	t.Helper()
	anonymous := client.Client{Base: running.URL()}
	res, err := anonymous.Do(t.Context(), "GET /openapi.json", nil)
	must(t, err)
	d, err := newDocument(res.Body)
	must(t, err)
	c, err := contract.New(res.Body)
	must(t, err)
	f := &fuzzer{
		document: d, report: newReport(seed), contract: c, host: strings.TrimPrefix(running.URL(), "http://"), seed: seed,
		all: d.targets(), usual: map[string]int{},
	}
	order := rand.New(rand.NewPCG(seed, 0))
	order.Shuffle(len(f.all), func(i, j int) { f.all[i], f.all[j] = f.all[j], f.all[i] })
	first := &worker{base: running.URL()}
	admin, err := first.signUp("admin") // the first account
	must(t, err)
	first.admin = admin
	for range 2 { // hostile ids like 01 are of these
		first.category, err = first.newCategory()
		must(t, err)
		_, err = first.newProduct()
		must(t, err)
	}
	for n := range workers {
		w := &worker{number: n, base: running.URL(), admin: admin}
		must(t, w.setUp())
		f.workers = append(f.workers, w)
	}
	return f
}

// baseline sends one valid request of each operation and keeps its status, which is a success but for those that need
// the token of a mail, a signature or a failure.
func (f *fuzzer) baseline(t *testing.T) {
	t.Helper()
	for _, o := range f.operations {
		r, err := f.make(f.workers[0], 0, target{op: o, in: "request"}, nil)
		must(t, err)
		res, err := send(f.host, r)
		must(t, err)
		f.usual[o.ID] = res.StatusCode
		if _, ok := unusual[o.ID]; res.StatusCode >= 400 && !ok {
			t.Errorf("a valid request of %s has the status %d: %.300s\n%s", o.ID, res.StatusCode, res.body, r.curl())
		}
		for _, p := range append(f.check(r, res, nil), f.stored(f.workers[0], r, res)...) {
			f.add(r, p)
		}
	}
}

// unusual are operations whose valid requests are refused here, and why.
var unusual = map[string]string{
	"verifyEmail": "the token is in a mail", "resetPassword": "the token is in a mail", "unsubscribe": "the token is in a mail",
	"trackOpen": "the token is in a mail", "trackClick": "the token is in a mail", "receivePaymentWebhook": "it needs a signature",
	"retryRefund": "no refund has failed", "refundPaymentDiscrepancy": "there is no discrepancy", "retryDelivery": "no delivery has failed",
	"notifyWhenInStock": "the product is in stock", "openUnsubscribePage": "the token is in a mail",
}

// one sends request number n and checks its response.
func (f *fuzzer) one(w *worker, n int) {
	rng := rand.New(rand.NewPCG(f.seed, uint64(n)))
	t := f.all[n%len(f.all)]
	r, err := f.make(w, n, t, rng)
	if err != nil {
		f.add(&request{number: n, op: t.op, as: w.anonymous, changes: []change{{target: t}}}, problem{"cannot be prepared", err.Error()})
		return
	}
	res, err := send(f.host, r)
	f.counted(res)
	problems := f.check(r, res, err)
	if err == nil && !r.refused() {
		problems = append(problems, f.stored(w, r, res)...)
	}
	for _, p := range problems {
		f.add(r, p)
	}
}
