// Package kind lists the kinds of notifications, their channels, and which ones users can turn off.
package kind

import (
	"slices"

	"sidecart/kit/fault"
)

// ErrUnknown refuses an unknown kind.
var ErrUnknown = fault.New(fault.NotFound, "notification_kind_not_found",
	"there is no such kind of notification, or not on that channel")

// Channel is a channel on which users are notified.
type Channel string

// The channels. InApp is the inbox.
const (
	InApp Channel = "in_app"
	Email Channel = "email"
	Push  Channel = "push"
	SMS   Channel = "sms"
)

// External are the channels that use a provider.
var External = []Channel{Email, Push, SMS}

// Channels are all channels.
var Channels = append([]Channel{InApp}, External...)

// Class decides when a kind is sent, and whether users can turn it off.
type Class string

const (
	// ClassSecurity is about the safety of the account. It is sent immediately, also in quiet hours, and cannot be
	// turned off.
	ClassSecurity Class = "security"
	// ClassService is about an order, or for admins about stock. It is on by default.
	ClassService Class = "service"
	// ClassNews have an unsubscribe link, and can be sent as a digest.
	ClassNews Class = "news"
)

// Kind is a kind of notification. If an event causes it, its name is the event's topic.
type Kind struct {
	Name     string
	Class    Class
	Channels []Channel
	OptIn    []Channel // the channels that are off by default

	// ToAnyAddress is whether the kind is sent to addresses that another person may have typed: those who receive it
	// have not confirmed that they have an account. It has no variables that users type.
	ToAnyAddress bool
}

// The kinds.
const (
	Registered     = "users.registered"
	Verification   = "users.verification_requested"
	PasswordReset  = "users.password_reset_requested" //nolint:gosec // a name
	AddressChange  = "users.profile_changed"
	PasswordChange = "users.password_changed" //nolint:gosec // a name
	Locked         = "users.locked"
	NewDevice      = "users.new_device"
	Placed         = "orders.placed"
	Paid           = "orders.paid"
	Shipped        = "orders.shipped"
	Delivered      = "orders.delivered"
	Cancelled      = "orders.cancelled"
	Refunded       = "orders.refunded"
	PaymentFailed  = "orders.payment_failed"
	StockLow       = "stock.low"
	StockOut       = "stock.out"
	StockBack      = "stock.back"
	Broadcast      = "broadcast"
	Digest         = "digest"
)

// All are all kinds but Digest, in the order in which they are shown.
var All = []Kind{
	{Name: Registered, Class: ClassService, Channels: []Channel{InApp}},
	{Name: Verification, Class: ClassSecurity, Channels: []Channel{Email}, ToAnyAddress: true},
	{Name: PasswordReset, Class: ClassSecurity, Channels: []Channel{Email}, ToAnyAddress: true},
	{Name: PasswordChange, Class: ClassSecurity, Channels: []Channel{InApp, Email}},
	{Name: AddressChange, Class: ClassSecurity, Channels: []Channel{InApp, Email}},
	{Name: Locked, Class: ClassSecurity, Channels: []Channel{InApp, Email}},
	{Name: NewDevice, Class: ClassSecurity, Channels: []Channel{InApp, Email}},
	onAll(Placed, ClassService), onAll(Paid, ClassService), onAll(Shipped, ClassService), onAll(Delivered, ClassService),
	onAll(Cancelled, ClassService), onAll(Refunded, ClassService), onAll(PaymentFailed, ClassService),
	onAll(StockLow, ClassService), onAll(StockOut, ClassService), onAll(StockBack, ClassNews), onAll(Broadcast, ClassNews),
}

// digest is an e-mail with several notifications of ClassNews. It has a template, but no preference.
var digest = Kind{Name: Digest, Class: ClassNews, Channels: []Channel{Email}}

func onAll(name string, class Class) Kind {
	return Kind{Name: name, Class: class, Channels: Channels, OptIn: []Channel{SMS}}
}

// Of finds a kind by its name. It fails with ErrUnknown.
func Of(name string) (Kind, error) {
	for _, k := range append(All, digest) {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, ErrUnknown
}

// Has is whether the kind can be sent on a channel.
func (k Kind) Has(c Channel) bool { return slices.Contains(k.Channels, c) }

// Default is whether the kind is on by default on a channel.
func (k Kind) Default(c Channel) bool { return k.Has(c) && !slices.Contains(k.OptIn, c) }

// Optional is whether users can turn the kind off.
func (k Kind) Optional() bool { return k.Class != ClassSecurity }

// Urgent is whether the kind is sent in quiet hours.
func (k Kind) Urgent() bool { return k.Class == ClassSecurity }
