package device

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sidecart/apps/notifications/internal/delivery"
	"sidecart/kit/event"
	"sidecart/kit/idempotency"
	"sidecart/kit/kittest"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

func newKeys(t *testing.T) VAPIDKeys {
	t.Helper()
	scalar := make([]byte, 32)
	_, _ = rand.Read(scalar)
	k, err := NewVAPIDKeys(base64.StdEncoding.EncodeToString(scalar))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// browserKeys are the keys of a new subscription.
func browserKeys(t *testing.T) (p256dh, auth string) {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes()), base64.RawURLEncoding.EncodeToString([]byte("sixteen bytes !!"))
}

func TestDevices(t *testing.T) {
	t.Parallel()
	db := kittest.DB(t, Migrations, idempotency.Migrations)
	app := web.New("notifications", web.Config{Verify: kittest.Verify})
	NewService(event.NewOutbox(db), newKeys(t)).Routes(app)
	alice, bob := kittest.NewCaller(shop.User), kittest.NewCaller(shop.User)
	p256dh, auth := browserKeys(t)
	at := func(endpoint string) string {
		return fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":%q},"label":"laptop"}`, endpoint, p256dh, auth)
	}
	const path, mozilla = "POST /notifications/devices", "https://updates.push.services.mozilla.com/wpush/v2/abc"
	var id string
	calls := []kittest.Call{
		{Name: "no token", Do: path, Body: at(mozilla), Want: 401},
		{Name: "invalid keys", As: alice, Do: path, Body: `{"endpoint":"` + mozilla + `","keys":{"p256dh":"AAAA","auth":"AAAA"}}`, Want: 422, Has: []string{`"keys.p256dh"`, `"keys.auth"`}},
		{Name: "added", As: alice, Do: path, Body: at(mozilla), Want: 201, Has: []string{`"label":"laptop"`}, HasNot: []string{"mozilla", p256dh, auth},
			AndThen: func(t *testing.T, body []byte) { id = kittest.Field[string](t, body, "id") }},
		{Name: "added again", As: alice, Do: path, Body: at(mozilla), Want: 201},
		{Name: "listed once, with the public key", As: alice, Do: "GET /notifications/devices", Want: 200, Has: []string{`"items":[{"id":"`, `"public_key":"B`}, HasNot: []string{"},{"}},
		{Name: "another user's list", As: bob, Do: "GET /notifications/devices", Want: 200, Has: []string{`"items":[]`}},
	}
	for _, endpoint := range []string{"http://fcm.googleapis.com/x", "https://127.0.0.1/x", "https://169.254.169.254/latest", "https://localhost/x", "https://fcm.googleapis.com:8080/x",
		"https://fcm.googleapis.com.evil.example/x", "https://evil.example/fcm.googleapis.com", "https://fcm.googleapis.com@evil.example/", "https://push.services.mozilla.com.evil.example/x", "::"} {
		calls = append(calls, kittest.Call{Name: endpoint, As: alice, Do: path, Body: at(endpoint), Want: 422, Has: []string{`"endpoint"`}})
	}
	kittest.Run(t, app, nil, calls)
	kittest.Run(t, app, nil, []kittest.Call{
		{Name: "another user's", As: bob, Do: "DELETE /notifications/devices/" + id, Want: 404, Has: []string{"device_not_found"}},
		{Name: "own", As: alice, Do: "DELETE /notifications/devices/" + id, Want: 204},
		{Name: "again", As: alice, Do: "DELETE /notifications/devices/" + id, Want: 404},
	})
	for n := range maxDevices {
		kittest.Run(t, app, nil, []kittest.Call{{Name: "one more", As: alice, Do: path, Body: at(fmt.Sprint(mozilla, n)), Want: 201}})
	}
	kittest.Run(t, app, nil, []kittest.Call{{Name: "too many", As: alice, Do: path, Body: at(mozilla + "x"), Want: 409, Has: []string{"too_many_devices"}}})
}

// pushService is a fake push service: its response status is the first part of the path.
type pushService struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func newPushService(t *testing.T) *pushService {
	p := &pushService{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.got = append(p.got, fmt.Sprintf("%s %s %s", r.Header.Get("Content-Encoding"), strings.SplitN(r.Header.Get("Authorization"), " ", 2)[0], body))
		p.mu.Unlock()
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Location", p.URL+"/201")
		w.WriteHeader(status)
	}))
	t.Cleanup(p.Close)
	return p
}

func addDevices(t *testing.T, db *pgxpool.Pool, user shop.UserID, endpoints ...string) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
		for _, e := range endpoints {
			p256dh, auth := browserKeys(t)
			if _, err := insert(t.Context(), tx, Device{ID: shop.NewID(), UserID: user, Endpoint: e, P256DH: p256dh, Auth: auth}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	db, service := kittest.DB(t, Migrations), newPushService(t)
	push := NewPushProvider(db, newKeys(t), "mailto:shop@sidecart.example", service.Client())
	for i, c := range []struct {
		name     string
		statuses []string
		want     error // nil with a response is success; nil without one is no response
		response string
		left     int
	}{
		{"one", []string{"201"}, nil, "1 of 1 devices", 1},
		{"one of two has expired", []string{"201", "410"}, nil, "1 of 2 devices", 1},
		{"expired", []string{"404"}, delivery.ErrRefused, "", 0},
		{"rate limited", []string{"429"}, delivery.ErrTemporary, "", 1},
		{"refused", []string{"400"}, delivery.ErrRefused, "", 1},
		{"the key is rejected", []string{"403"}, delivery.ErrTemporary, "", 1},
		{"the key has expired", []string{"401"}, delivery.ErrTemporary, "", 1},
		{"one expired, one fails", []string{"410", "503"}, nil, "", 1},
		{"one fails, one expired", []string{"503", "410"}, nil, "", 1},
		{"one expired, one rate limited", []string{"410", "429"}, delivery.ErrTemporary, "", 1},
		{"one rate limited, one fails", []string{"429", "500"}, nil, "", 2},
		{"all expired", []string{"410", "404"}, delivery.ErrRefused, "", 0},
		{"fails", []string{"500"}, nil, "", 1},
		{"redirects", []string{"307"}, delivery.ErrRefused, "", 1},
		{"no device", nil, delivery.ErrObsolete, "", 0},
	} {
		user := shop.UserID{UUID: shop.NewID()}
		var endpoints []string
		for n, status := range c.statuses {
			endpoints = append(endpoints, fmt.Sprintf("%s/%s/%d/%d", service.URL, status, i, n))
		}
		addDevices(t, db, user, endpoints...)
		response, err := push.Send(t.Context(), delivery.Message{Title: "a secret title", Body: "b", Job: delivery.Job{UserID: user}})
		noResponse := err != nil && !errors.Is(err, delivery.ErrRefused) && !errors.Is(err, delivery.ErrTemporary) && !errors.Is(err, delivery.ErrObsolete)
		if noResponse != (c.want == nil && c.response == "") {
			t.Errorf("%s: no response: %t, %v", c.name, noResponse, err)
		}
		if response != c.response || (c.want != nil && !errors.Is(err, c.want)) || (c.response != "") != (err == nil) || err != nil && strings.Contains(err.Error(), service.URL) {
			t.Errorf("%s: %q %v", c.name, response, err)
		}
		if all, err := list(t.Context(), db, user); err != nil || len(all) != c.left {
			t.Errorf("%s: %d devices left, want %d; %v", c.name, len(all), c.left, err)
		}
	}
	for _, got := range service.got {
		if !strings.HasPrefix(got, "aes128gcm vapid ") || strings.Contains(got, "secret") {
			t.Errorf("sent %.60q", got)
		}
	}
}
