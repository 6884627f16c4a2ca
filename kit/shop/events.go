package shop

import "slices"

// Event is something that happened. Topics are stable and in the past tense. Key is the aggregate that changed; events
// of one key are published in order.
type Event interface {
	Topic() string
	Key() string
}

// Version returns the version of an event's schema: 1, or the result of its method Version. It grows when a consumer of
// the last release would misread a field; an optional field needs no new version. Old versions must always decode.
func Version(e Event) int {
	if versioned, ok := e.(interface{ Version() int }); ok {
		return versioned.Version()
	}
	return 1
}

// Published is an event with the service that publishes it.
type Published struct {
	Publisher string
	Event     Event
}

// Events are all events of the platform with their publishers. docs/events.md is generated from it.
var Events = slices.Concat(by("users", usersEvents), by("products", productsEvents), by("orders", ordersEvents),
	by("notifications", notificationsEvents))

func by(publisher string, events []Event) (all []Published) {
	for _, e := range events {
		all = append(all, Published{publisher, e})
	}
	return all
}
