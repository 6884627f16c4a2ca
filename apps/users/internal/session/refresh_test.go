package session_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"sidecart/apps/users/internal/session"
	"sidecart/kit/kittest"
	"sidecart/kit/web"
)

func TestRefresh(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	first := login(t, app, "testuser", "SecurePassword123!")
	status, second := refresh(t, app, first.RefreshToken)
	if status != 200 || second.RefreshToken == first.RefreshToken {
		t.Fatalf("refresh: %d", status)
	}
	status, repeated := refresh(t, app, first.RefreshToken) // a double submit
	if status != 200 || repeated.RefreshToken != second.RefreshToken {
		t.Fatalf("a double submit must return the same pair: %d", status)
	}
	if status, _ := refresh(t, app, "made up"); status != 401 {
		t.Errorf("an unknown token: %d", status)
	}
	if _, err := db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - interval '11 seconds' where used_at is not null`); err != nil {
		t.Fatal(err)
	}
	if status, _ := refresh(t, app, first.RefreshToken); status != 401 {
		t.Errorf("a used token: %d", status)
	}
	if status, _ := refresh(t, app, second.RefreshToken); status != 401 {
		t.Errorf("the successor of a reused token: %d", status)
	}
	if other := login(t, app, "testuser", "SecurePassword123!"); other.AccessToken == "" {
		t.Error("the reuse ended another session")
	}
}

func TestConcurrentRefreshes(t *testing.T) {
	app, _ := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	pair := login(t, app, "testuser", "SecurePassword123!")
	next := make(chan string, 8)
	var tabs sync.WaitGroup
	for range cap(next) {
		tabs.Go(func() {
			_, p := refresh(t, app, pair.RefreshToken)
			next <- p.RefreshToken
		})
	}
	tabs.Wait()
	close(next)
	var all []string
	for token := range next {
		if all = append(all, token); token != all[0] || token == "" {
			t.Fatalf("two tabs have different pairs")
		}
	}
	if status, _ := refresh(t, app, all[0]); status != 200 {
		t.Errorf("refresh with the common token: %d", status)
	}
}

func TestTokensAreNotStored(t *testing.T) {
	app, db := newApp(t, true)
	kittest.Do(t, app, kittest.Call{Do: "POST /auth/register", Body: testuser})
	pair := login(t, app, "testuser", "SecurePassword123!")
	var stored []byte
	if err := db.QueryRow(t.Context(), `select fingerprint from refresh_tokens`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(stored, []byte(pair.RefreshToken)) || len(stored) != 32 {
		t.Error("the token itself is in the database")
	}
}

func TestReuseEndsTheSession(t *testing.T) {
	app, db := newApp(t, true)
	register(t, app, "alice")
	stolen := signInFrom(t, app, "alice", "phone", "203.0.113.7")
	_, current := refresh(t, app, stolen.RefreshToken)
	if _, err := db.Exec(t.Context(), `update refresh_tokens set used_at = used_at - interval '11 seconds' where used_at is not null`); err != nil {
		t.Fatal(err)
	}
	kittest.Emitted(t, db)
	var thieves sync.WaitGroup
	for range 6 {
		thieves.Go(func() {
			if status, _ := refresh(t, app, stolen.RefreshToken); status != 401 {
				t.Errorf("a reused token: %d", status)
			}
		})
	}
	thieves.Wait()
	if events := kittest.Emitted(t, db); !slices.Equal(events, []string{"sessions.revoked"}) {
		t.Errorf("published %v", events)
	}
	if actions := audited(t, db); !slices.Equal(actions, []string{"session.token_reused"}) {
		t.Errorf("audited %v", actions)
	}
	wantRefused(t, app, current.AccessToken)
	wantRefused(t, app, stolen.AccessToken)
}

func TestConcurrentRefreshesAtTwoReplicas(t *testing.T) {
	app, db, signer := newAppAndSigner(t, true)
	replicas := []*web.App{app, newReplica(t, db, signer, true)}
	register(t, app, "alice")
	pair := signInFrom(t, app, "alice", "phone", "203.0.113.7")
	for range 3 {
		next := make(chan session.TokenPair, 8)
		var tabs sync.WaitGroup
		for i := range cap(next) {
			tabs.Go(func() {
				_, p := refresh(t, replicas[i%2], pair.RefreshToken)
				next <- p
			})
		}
		tabs.Wait()
		close(next)
		before := pair.RefreshToken
		pair = <-next
		for p := range next {
			if p.RefreshToken != pair.RefreshToken || p.RefreshToken == before || p.RefreshToken == "" {
				t.Fatal("two tabs have different pairs")
			}
		}
	}
	var unused int
	if err := db.QueryRow(t.Context(), `select count(*) from refresh_tokens where used_at is null`).Scan(&unused); err != nil || unused != 1 {
		t.Errorf("%d unused tokens, %v", unused, err)
	}
}
