// Package cache keeps the answers of public reads for a second, so that a crowd costs the catalogue one request.
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

// TTL is how long an answer is given again. With the second that Cache-Control allows a browser, nobody sees anything
// older than the 2 s the API promises. Replicas of the gateway each have their own cache and tell one another nothing:
// what one shows a second longer than another is still within that promise.
const TTL = time.Second

// Cache is bounded by the bytes of what it keeps.
type Cache struct {
	most    int
	mu      sync.Mutex
	kept    *simplelru.LRU[string, entry]
	bytes   int
	flights singleflight.Group
}

type entry struct {
	answer *forward.Response
	until  time.Time
	size   int
}

// New makes a cache that keeps at most most bytes.
func New(most int) *Cache {
	c := &Cache{most: most}
	// It fails only for a size below 1. The bytes are the bound; the number is one that they cannot reach.
	c.kept, _ = simplelru.NewLRU(most/perEntry+1, func(_ string, e entry) { c.bytes -= e.size })
	return c
}

// perEntry is about what an entry takes beside its key and its answer's bytes.
const perEntry = 256

// Get is the kept answer of key, or what fill answers. Callers that miss within a TTL share one fill; hit says that
// none was needed. It fails as fill does, and failures are not kept.
func (c *Cache) Get(key string, fill func() (*forward.Response, error)) (answer *forward.Response, hit bool, err error) {
	if answer := c.lookup(key); answer != nil {
		return answer, true, nil
	}
	filled, err, _ := c.flights.Do(key, func() (any, error) {
		until := time.Now().Add(TTL) // the service may read its data as soon as it gets the request
		overdue := time.AfterFunc(TTL, func() { c.flights.Forget(key) })
		defer overdue.Stop()
		answer, err := fill()
		if err == nil && public(answer) {
			c.keep(key, answer, until)
		}
		return answer, err
	})
	if err != nil {
		return nil, false, err
	}
	return filled.(*forward.Response), false, nil
}

func (c *Cache) lookup(key string) *forward.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.kept.Get(key); ok && time.Now().Before(e.until) {
		return e.answer
	}
	return nil
}

// public says whether others may be given this answer too.
func public(answer *forward.Response) bool {
	control := answer.Get(fiber.HeaderCacheControl)
	return answer.Status == fiber.StatusOK && answer.Get(fiber.HeaderSetCookie) == "" &&
		!strings.Contains(control, "no-store") && !strings.Contains(control, "private")
}

func (c *Cache) keep(key string, answer *forward.Response, until time.Time) {
	size := perEntry + len(key) + len(answer.Body)
	for _, f := range answer.Header {
		size += len(f.Name) + len(f.Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// One answer must not push out all others, and a late one must not take the place of a newer.
	if size > c.most/8 || time.Now().After(until) {
		return
	}
	c.kept.Remove(key)
	c.kept.Add(key, entry{answer: answer, until: until, size: size})
	for c.bytes += size; c.bytes > c.most; {
		c.kept.RemoveOldest()
	}
}
