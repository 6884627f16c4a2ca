package shop

import "slices"

// Event is something that happened, told to whoever wants to know. Topics are stable and in the past tense; Key is the
// aggregate it happened to, and events of one key are told in order.
type Event interface {
	Topic() string
	Key() string
}

// Version is that of an event's schema: 1, or what its method Version says. It grows when a field gets to mean more than a
// hearer of the last release would know; a field that may be missing needs no new version. Old versions must decode for ever.
func Version(e Event) int {
	if versioned, ok := e.(interface{ Version() int }); ok {
		return versioned.Version()
	}
	return 1
}

// Told is an event with the service that tells it.
type Told struct {
	Teller string
	Event  Event
}

// Catalogue is every event of the platform, once, with who tells it. docs/events.md is written from it.
var Catalogue = slices.Concat(told("users", usersEvents), told("products", productsEvents), told("orders", ordersEvents),
	told("notifications", notificationsEvents))

func told(teller string, events []Event) (all []Told) {
	for _, e := range events {
		all = append(all, Told{teller, e})
	}
	return all
}
