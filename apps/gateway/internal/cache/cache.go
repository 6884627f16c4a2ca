// Package cache keeps the answers of public reads for a second, so that a crowd costs the catalogue one request.
package cache

import (
	"strconv"
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
	purges  uint64
	flights singleflight.Group
}

type entry struct {
	answer *forward.Answer
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

// Get is the kept answer of key, or what fill answers. Callers that miss at the same time share one fill; hit says that
// none was needed. It fails as fill does, and failures are not kept.
func (c *Cache) Get(key string, fill func() (*forward.Answer, error)) (answer *forward.Answer, hit bool, err error) {
	answer, purges := c.lookup(key)
	if answer != nil {
		return answer, true, nil
	}
	// The number of purges is part of the flight: who asks after a change must not be given an answer from before it.
	flight := strconv.FormatUint(purges, 36) + " " + key
	filled, err, _ := c.flights.Do(flight, func() (any, error) {
		until := time.Now().Add(TTL) // the service may look at its data as soon as it is asked
		answer, err := fill()
		if err == nil && public(answer) {
			c.keep(key, answer, until, purges)
		}
		return answer, err
	})
	if err != nil {
		return nil, false, err
	}
	return filled.(*forward.Answer), false, nil
}

// Purge forgets everything, also what is being asked at this moment.
func (c *Cache) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.purges++
	c.kept.Purge()
}

func (c *Cache) lookup(key string) (*forward.Answer, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.kept.Get(key); ok && time.Now().Before(e.until) {
		return e.answer, c.purges
	}
	return nil, c.purges
}

// public says whether others may be given this answer too.
func public(answer *forward.Answer) bool {
	control := answer.Get(fiber.HeaderCacheControl)
	return answer.Status == fiber.StatusOK && answer.Get(fiber.HeaderSetCookie) == "" &&
		!strings.Contains(control, "no-store") && !strings.Contains(control, "private")
}

func (c *Cache) keep(key string, answer *forward.Answer, until time.Time, purges uint64) {
	size := perEntry + len(key) + len(answer.Body)
	for _, f := range answer.Header {
		size += len(f.Name) + len(f.Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// One answer must not push out all others, and one from before a change must not stay.
	if size > c.most/8 || purges != c.purges {
		return
	}
	c.kept.Remove(key)
	c.kept.Add(key, entry{answer: answer, until: until, size: size})
	for c.bytes += size; c.bytes > c.most; {
		c.kept.RemoveOldest()
	}
}
