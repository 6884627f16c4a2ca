package auth

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"

	"sidecart/kit/shop"
)

// Fetch asks the users service for its public keys.
type Fetch func(ctx context.Context) (JWKS, error)

// FetchWith fetches through the sidecar (sidecar.Ask).
func FetchWith(ask func(ctx context.Context, app, route string, in, out any) error) Fetch {
	return func(ctx context.Context) (set JWKS, err error) {
		err = ask(ctx, "users", "GET /.well-known/jwks.json", nil, &set)
		return set, err
	}
}

// Verifier checks tokens with keys that it fetches when it first needs them, keeps while the users service is away, and
// fetches again when a token names a key it has not seen.
type Verifier struct {
	fetch    Fetch
	fetching singleflight.Group
	seen     *expirable.LRU[string, verified]
	mu       sync.RWMutex
	keys     map[string]ed25519.PublicKey // nil until the first answer
	asked    time.Time                    // also where there was no answer
}

// NewVerifier makes a Verifier; nothing is fetched yet.
func NewVerifier(fetch Fetch) *Verifier {
	return &Verifier{fetch: fetch, seen: expirable.NewLRU[string, verified](seenTokens, nil, seenFor)}
}

// A token whose signature was good is not computed again for a while: the same client sends the same one. A signing key
// that is withdrawn is believed for as long.
const (
	seenTokens = 10_000
	seenFor    = time.Minute
)

// verified is who a token speaks for, and until when.
type verified struct {
	who   shop.Caller
	until time.Time
}

// refetchEvery bounds how often tokens with made-up key ids make us ask.
const refetchEvery = 5 * time.Second

// key fails with ErrToken where there is no such key, and with errKeys where nobody could say yet which keys there are.
// Tokens with a known key never wait for those with an unknown one.
func (v *Verifier) key(ctx context.Context, kid string) (ed25519.PublicKey, error) {
	v.mu.RLock()
	key, known := v.keys[kid]
	current := v.keys != nil && time.Since(v.asked) < refetchEvery
	v.mu.RUnlock()
	if known {
		return key, nil
	}
	if current {
		return nil, ErrToken
	}
	_, err, _ := v.fetching.Do("keys", func() (any, error) { return nil, v.refresh(context.WithoutCancel(ctx)) })
	v.mu.RLock()
	defer v.mu.RUnlock()
	if key, known := v.keys[kid]; known {
		return key, nil
	}
	if v.keys == nil {
		return nil, errKeys.Because(err)
	}
	return nil, ErrToken
}

func (v *Verifier) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	set, err := v.fetch(ctx)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = time.Now()
	if err == nil {
		v.keys = publicKeys(set)
	}
	return err
}

func publicKeys(set JWKS) map[string]ed25519.PublicKey {
	keys := map[string]ed25519.PublicKey{}
	for _, k := range set.Keys {
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err == nil && len(x) == ed25519.PublicKeySize && k.KeyType == "OKP" && k.Curve == "Ed25519" {
			keys[k.ID] = x
		}
	}
	return keys
}
