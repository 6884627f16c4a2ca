// Package message is what people have been told: it hears what happened in the shop, writes it into their in-app inbox,
// once, and shows it to them alone.
package message

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// What can go wrong with a message.
var (
	ErrNotFound = fault.New(fault.NotFound, "notification_not_found", "there is no such notification")
	// ErrNobody refuses an event that does not say whom to tell.
	ErrNobody = fault.New(fault.Invalid, "event_without_user", "the event names no user")
)

// ID is the UUIDv7 of a message; a later message has a larger one.
type ID struct{ uuid.UUID }

// Message is one thing somebody was told. Kind is the topic of the event it tells of. Title and Body are plain text, one
// line each, in which words of customers may stand: whoever shows them must not read them as markup.
type Message struct {
	ID        ID          `json:"id"`
	UserID    shop.UserID `json:"-"`
	Kind      string      `json:"kind"`
	Title     string      `json:"title"`
	Body      string      `json:"body"`
	Data      Data        `json:"data"`
	ReadAt    *time.Time  `json:"read_at"` // nil while unread
	CreatedAt time.Time   `json:"created_at"`
}

// Data is what a program needs to go on from a message; what does not belong to its kind is left out.
type Data struct {
	OrderID  *shop.OrderID `json:"order_id,omitempty"`
	Number   string        `json:"number,omitempty"`
	Total    *shop.Money   `json:"total,omitempty"`
	Currency string        `json:"currency,omitempty"`
	Reason   string        `json:"reason,omitempty"`
}

// The longest texts, in characters.
const (
	longestWord = 100 // of a customer's own, inside a sentence
	namedLines  = 3   // of an order; the others are counted
)

func welcome(e shop.UserRegistered) Message {
	name := plain(e.FullName)
	if name == "" {
		name = plain(e.Username)
	}
	return about(e, e.UserID, "Welcome to Sidecart", fmt.Sprintf("Hello %s, your account %s is ready.", name, plain(e.Username)), Data{})
}

func placed(e shop.OrderPlaced) Message {
	return about(e, e.UserID, "We have your order "+plain(e.Number),
		fmt.Sprintf("%s. %s %s in total; we tell you as soon as it is paid.", goods(e.Items), e.Total, plain(e.Currency)),
		Data{OrderID: &e.OrderID, Number: e.Number, Total: &e.Total, Currency: e.Currency})
}

func paid(e shop.OrderPaid) Message {
	return about(e, e.UserID, fmt.Sprintf("Your order %s is paid", plain(e.Number)),
		fmt.Sprintf("We have received %s %s. Your goods will be on their way soon.", e.Total, plain(e.Currency)),
		Data{OrderID: &e.OrderID, Number: e.Number, Total: &e.Total, Currency: e.Currency})
}

func cancelled(e shop.OrderCancelled) Message {
	body := "It will not be sent."
	if reason := plain(e.Reason); reason != "" {
		body = "Reason: " + strings.TrimRight(reason, ".") + ". " + body
	}
	return about(e, e.UserID, fmt.Sprintf("Your order %s is cancelled", plain(e.Number)), body,
		Data{OrderID: &e.OrderID, Number: e.Number, Reason: e.Reason})
}

func about(e shop.Event, user shop.UserID, title, body string, data Data) Message {
	data.Number, data.Currency, data.Reason = plain(data.Number), plain(data.Currency), plain(data.Reason)
	return Message{ID: ID{shop.NewID()}, UserID: user, Kind: e.Topic(), Title: title, Body: body, Data: data}
}

// goods names the first lines of an order: "2 × Wireless Headphones, 1 × Case and 3 more".
func goods(lines []shop.OrderLine) string {
	var names []string
	for _, line := range lines[:min(namedLines, len(lines))] {
		names = append(names, fmt.Sprintf("%d × %s", line.Quantity, plain(line.Name)))
	}
	all := strings.Join(names, ", ")
	if more := len(lines) - namedLines; more > 0 {
		all += fmt.Sprintf(" and %d more", more)
	}
	return all
}

// plain makes a customer's words fit to stand inside a sentence of ours: on one line, not too long, and unable to turn
// the direction of what follows them. Everything else stays as it was written.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > longestWord {
		s = string(runes[:longestWord-1]) + "…"
	}
	return s
}
