// Package cache stores responses of public reads for a second, so that many concurrent readers cost one request.
package cache

import (
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"sidecart/apps/gateway/internal/forward"
)

// TTL is how long a response is served. With the second that Cache-Control allows browsers, no response is older than
// the 2 s that the API guarantees. Each replica of the gateway has its own cache, for which that holds, too.
const TTL = time.Second

// Cache is bounded by the bytes of its responses.
type Cache struct {
	limit   int
	mu      sync.Mutex
	entries *simplelru.LRU[string, entry]
	bytes   int
	flights singleflight.Group
}

type entry struct {
	response *forward.Response
	until    time.Time
	size     int
}

// New makes a cache of at most limit bytes.
func New(limit int) *Cache {
	c := &Cache{limit: limit}
	// It fails only for a size below 1. The number of entries cannot reach this size before the bytes reach theirs.
	c.entries, _ = simplelru.NewLRU(limit/perEntry+1, func(_ string, e entry) { c.bytes -= e.size })
	return c
}

// perEntry is about the overhead in bytes of an entry.
const perEntry = 256

// Get returns the cached response of key, or calls fill. Concurrent callers within a TTL share one call; hit reports a
// cached response. It fails as fill does, and failures are not cached.
func (c *Cache) Get(key string, fill func() (*forward.Response, error)) (response *forward.Response, hit bool, err error) {
	if response := c.lookup(key); response != nil {
		return response, true, nil
	}
	filled, err, _ := c.flights.Do(key, func() (any, error) {
		until := time.Now().Add(TTL) // measured from the request, because the service may read its data immediately
		overdue := time.AfterFunc(TTL, func() { c.flights.Forget(key) })
		defer overdue.Stop()
		response, err := fill()
		if err == nil && public(response) {
			c.store(key, response, until)
		}
		return response, err
	})
	if err != nil {
		return nil, false, err
	}
	return filled.(*forward.Response), false, nil
}

func (c *Cache) lookup(key string) *forward.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries.Get(key); ok && time.Now().Before(e.until) {
		return e.response
	}
	return nil
}

// public reports whether a response may be shared.
func public(response *forward.Response) bool {
	control := response.Get(fiber.HeaderCacheControl)
	return response.Status == fiber.StatusOK && response.Get(fiber.HeaderSetCookie) == "" &&
		!strings.Contains(control, "no-store") && !strings.Contains(control, "private")
}

func (c *Cache) store(key string, response *forward.Response, until time.Time) {
	size := perEntry + len(key) + len(response.Body)
	for _, f := range response.Header {
		size += len(f.Name) + len(f.Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// One response must not evict all others, and a late one must not replace a newer one.
	if size > c.limit/8 || time.Now().After(until) {
		return
	}
	c.entries.Remove(key)
	c.entries.Add(key, entry{response: response, until: until, size: size})
	for c.bytes += size; c.bytes > c.limit; {
		c.entries.RemoveOldest()
	}
}
