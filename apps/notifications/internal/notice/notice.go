// Package notice consumes the events of other services and notifies users: it adds a notification to the inbox and
// enqueues deliveries on the other channels, in one transaction.
package notice

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"sidecart/apps/notifications/internal/contact"
	"sidecart/apps/notifications/internal/inbox"
	"sidecart/apps/notifications/internal/kind"
	"sidecart/apps/notifications/internal/template"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// ErrNoUser refuses an event without a user.
var ErrNoUser = fault.New(fault.Invalid, "event_without_user", "the event has no user")

// Notice is a notification to a user before it is rendered.
type Notice struct {
	UserID    shop.UserID
	Kind      string
	Variables template.Variables
	Data      inbox.NotificationData
	Path      string     // of the link, relative to the public URL
	RequestID *uuid.UUID // for which the users service issues the link's token
	Address   string     // overrides the contact's e-mail address
}

const (
	maxInline     = 100 // characters of a customer's input in a sentence
	maxNamedItems = 3   // of an order; the others are counted
)

func placed(e shop.OrderPlaced) Notice {
	n := ofOrder(e.UserID, kind.Placed, e.OrderID, e.Number)
	n.setAmount(e.Total, e.Currency)
	n.Variables.Goods, n.Variables.More = summarize(e.Items)
	return n
}

func paid(e shop.OrderPaid) Notice {
	n := ofOrder(e.UserID, kind.Paid, e.OrderID, e.Number)
	n.setAmount(e.Total, e.Currency)
	return n
}

func cancelled(e shop.OrderCancelled) Notice {
	n := ofOrder(e.UserID, kind.Cancelled, e.OrderID, e.Number)
	n.setReason(e.Reason, e.ReasonCode)
	return n
}

func shipped(e shop.OrderShipped) Notice {
	n := ofOrder(e.UserID, kind.Shipped, e.OrderID, e.Number)
	n.Variables.Carrier, n.Variables.Tracking = inline(e.Carrier), inline(e.TrackingNumber)
	n.Data.Carrier, n.Data.TrackingNumber = n.Variables.Carrier, n.Variables.Tracking
	return n
}

func delivered(e shop.OrderDelivered) Notice {
	return ofOrder(e.UserID, kind.Delivered, e.OrderID, e.Number)
}

func refunded(e shop.OrderRefunded) Notice {
	n := ofOrder(e.UserID, kind.Refunded, e.OrderID, e.Number)
	n.setAmount(e.Amount, e.Currency)
	if e.Partial {
		n.Variables.Partial = "yes"
	}
	return n
}

func paymentFailed(e shop.OrderPaymentFailed) Notice {
	n := ofOrder(e.UserID, kind.PaymentFailed, e.OrderID, e.Number)
	n.setReason(e.Reason, e.ReasonCode)
	return n
}

// ofOrder is a notice about an order. Its data link to the API, and its e-mails to the live page.
func ofOrder(buyer shop.UserID, kindName string, order shop.OrderID, number string) Notice {
	return Notice{
		UserID: buyer, Kind: kindName, Variables: template.Variables{Number: inline(number)}, Path: "/live#orders/" + order.String(),
		Data: inbox.NotificationData{OrderID: &order, Number: inline(number), Link: "/api/v1/orders/" + order.String()},
	}
}

func (n *Notice) setAmount(amount shop.Money, currency string) {
	n.Variables.Total, n.Variables.Currency = amount.String(), inline(currency)
	n.Data.Total, n.Data.Currency = &amount, inline(currency)
}

func (n *Notice) setReason(reason string, code shop.Reason) {
	n.Data.Reason, n.Data.ReasonCode = inline(reason), code
	n.Variables.Reason, n.Variables.ReasonCode = strings.TrimRight(n.Data.Reason, "."), code
}

func stockLow(admin shop.UserID, e shop.StockLow) Notice {
	n := ofProduct(admin, kind.StockLow, e.ProductID, e.SKU, e.Name)
	n.Variables.Available, n.Variables.Threshold = strconv.Itoa(e.Available), strconv.Itoa(e.Threshold)
	return n
}

func stockOut(admin shop.UserID, e shop.StockOut) Notice {
	return ofProduct(admin, kind.StockOut, e.ProductID, e.SKU, e.Name)
}

func stockBack(user shop.UserID, e shop.StockBack) Notice {
	return ofProduct(user, kind.StockBack, e.ProductID, e.SKU, e.Name)
}

func ofProduct(user shop.UserID, kindName string, id int64, sku, name string) Notice {
	path := fmt.Sprintf("/api/v1/products/%d", id)
	return Notice{
		UserID: user, Kind: kindName, Variables: template.Variables{Product: inline(name), SKU: inline(sku)}, Path: path,
		Data: inbox.NotificationData{ProductID: id, SKU: inline(sku), Link: path},
	}
}

func contactOf(user shop.UserID, email, username, fullName string) contact.Contact {
	return contact.Contact{UserID: user, Email: singleLine(email), Username: inline(username), FullName: inline(fullName)}
}

// displayName is the full name, or the username.
func displayName(fullName, username string) string {
	if name := inline(fullName); name != "" {
		return name
	}
	return inline(username)
}

// summarize names the first items of an order, such as "2 × Wireless Headphones, 1 × Case", and counts the others.
func summarize(lines []shop.OrderLine) (named, more string) {
	var names []string
	for _, line := range lines[:min(maxNamedItems, len(lines))] {
		names = append(names, fmt.Sprintf("%d × %s", line.Quantity, inline(line.Name)))
	}
	if rest := len(lines) - maxNamedItems; rest > 0 {
		more = strconv.Itoa(rest)
	}
	return strings.Join(names, ", "), more
}

// inline makes a customer's input safe inside a sentence: on one line, of at most maxInline characters, and without
// controls of the text direction. It does not escape markup.
func inline(s string) string {
	s = singleLine(s)
	if runes := []rune(s); len(runes) > maxInline {
		s = string(runes[:maxInline-1]) + "…"
	}
	return s
}

func singleLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}
