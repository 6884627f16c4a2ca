package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/sidecar"
	"sidecart/kit/web"
)

// TestEnvironmentIsReportedBeforeAnythingStarts: all errors of the environment are reported before the service connects
// to its sidecar, which is missing here.
func TestEnvironmentIsReportedBeforeAnythingStarts(t *testing.T) {
	t.Setenv("SIDECART_ENV", "production")
	t.Setenv("RESERVATION_TTL", "soon")
	t.Setenv("PRODUCT_LANGUAGE", "tlh")
	t.Setenv("VAPID_CONTACT", "no address")
	err := Run(t.Context(), "products", func(ctx context.Context, s *Service) error {
		s.Env.Web("8002")
		s.Env.Duration("RESERVATION_TTL", time.Minute)
		s.Env.OneOf("PRODUCT_LANGUAGE", "en", "en", "de")
		s.Env.Reject("VAPID_CONTACT", errors.New("must be an address"))
		s.Env.Reject("PUBLIC_URL", nil)
		return s.Connect(ctx)
	})
	if err == nil {
		t.Fatal("the service started")
	}
	for _, part := range []string{"APP_API_TOKEN", `RESERVATION_TTL="soon"`, `PRODUCT_LANGUAGE="tlh": must be one of en, de`, "VAPID_CONTACT: must be an address"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %s in %q", part, err)
		}
	}
	for _, part := range []string{"DAPR_", "PUBLIC_URL"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%s in %q", part, err)
		}
	}
}

// TestServe has a fake sidecar at the edge of the process.
func TestServe(t *testing.T) {
	beside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(beside.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var ended []string
	broken := errors.New("broken")
	serving := make(chan error, 1)
	fail := make(chan struct{})
	go func() {
		serving <- Run(t.Context(), "gateway", func(ctx context.Context, s *Service) error {
			s.close = append(s.close, func() { ended = append(ended, "opened first") }, func() { ended = append(ended, "opened second") })
			s.Sidecar = &sidecar.Sidecar{HTTPAddr: strings.TrimPrefix(beside.URL, "http://")}
			app := s.NewApp(ctx, web.Config{Addr: addr}, kittest.Signer.Feed)
			web.Handle(app, "GET /me", shop.SignedIn, func(_ context.Context, caller shop.Caller, _ web.None) (shop.Caller, error) {
				return caller, nil
			}, web.Internal)
			s.Go(func(ctx context.Context) error {
				<-ctx.Done()
				ended = append(ended, "task")
				return nil
			})
			s.Go(func(context.Context) error {
				<-fail
				return broken
			})
			return s.Serve(ctx)
		})
	}()
	token, err := kittest.Signer.Sign(kittest.NewCaller(shop.User), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/me": 200, "/health": 200} {
		kittest.Eventually(t, 10*time.Second, func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			if res.StatusCode != want {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			return res.Body.Close()
		})
	}
	close(fail)
	if err := <-serving; !errors.Is(err, broken) {
		t.Errorf("ended with %v", err)
	}
	if got := strings.Join(ended, ", "); got != "task, opened second, opened first" {
		t.Errorf("ended: %s", got)
	}
}

// TestOrder: functions that are called too early or too late report it, and no health check is silently left out.
func TestOrder(t *testing.T) {
	open := &Service{Sidecar: &sidecar.Sidecar{}, app: web.New("orders", web.Config{})}
	for want, call := range map[string]func(){
		"Connect comes before NewApp":    func() { (&Service{}).NewApp(t.Context(), web.Config{}, kittest.Signer.Feed) },
		"NewApp comes before Every":      func() { (&Service{}).Every("x", "@every 1m", nil) },
		"NewApp comes before Serve":      func() { _ = (&Service{}).Serve(t.Context()) },
		"OpenDatabase comes before New":  func() { _, _ = open.OpenDatabase(t.Context(), "url") },
		"NewApp come before Relay":       func() { (&Service{}).Relay(nil, false) },
		"OpenDatabase and NewApp come b": func() { open.NewHub() },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, want) {
					t.Errorf("%q does not contain %q", got, want)
				}
			}()
			call()
		}()
	}
}

// TestEndIsBounded: a service ends in time although a connection does not, as one over a network that has ended.
func TestEndIsBounded(t *testing.T) {
	var closed []string
	block := make(chan struct{})
	defer close(block)
	began := time.Now()
	err := Run(t.Context(), "orders", func(_ context.Context, s *Service) error {
		s.close = append(s.close, func() { closed = append(closed, "telemetry") }, func() { <-block })
		return nil
	})
	if took := time.Since(began); err != nil || took > 2*closeTimeout || len(closed) != 1 {
		t.Errorf("%v after %s, closed %v", err, took, closed)
	}
}
