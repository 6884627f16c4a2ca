// Package kind is the catalogue of what people can be told of: on which channels, and who decides whether they want it.
package kind

import (
	"slices"

	"sidecart/kit/fault"
)

// What can go wrong with kinds and channels.
var (
	ErrUnknown = fault.New(fault.NotFound, "notification_kind_not_found", "there is no such kind of notification, or not on that channel")
)

// Channel is a way to reach somebody.
type Channel string

// The channels. InApp is the inbox, which costs nobody anything and disturbs nobody.
const (
	InApp Channel = "in_app"
	Email Channel = "email"
	Push  Channel = "push"
	SMS   Channel = "sms"
)

// External are the channels on which something leaves the platform.
var External = []Channel{Email, Push, SMS}

// Channels are all of them.
var Channels = append([]Channel{InApp}, External...)

// Class says who decides about a kind.
type Class string

const (
	// Security is told at once, in quiet hours too, and cannot be turned off.
	Security Class = "security"
	// Service belongs to what somebody bought or works on: on unless turned off.
	Service Class = "service"
	// News is what nobody waits for: it carries a link that ends it, and may be gathered into a digest.
	News Class = "news"
)

// Kind is one thing that people are told of. Its name is the topic of the event that it tells of, where there is one.
type Kind struct {
	Name     string    `json:"kind"`
	Class    Class     `json:"class"`
	Channels []Channel `json:"channels"` // on which it can be told
	OptIn    []Channel `json:"-"`        // of these, on which it is told only to who asked for it
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

// All are the kinds that people can be told of, in the order in which they are shown.
var All = []Kind{
	{Name: Registered, Class: Service, Channels: []Channel{InApp}},
	{Name: Verification, Class: Security, Channels: []Channel{Email}},
	{Name: PasswordReset, Class: Security, Channels: []Channel{Email}},
	{Name: PasswordChange, Class: Security, Channels: []Channel{InApp, Email}},
	{Name: AddressChange, Class: Security, Channels: []Channel{InApp, Email}},
	{Name: Locked, Class: Security, Channels: []Channel{InApp, Email}},
	{Name: NewDevice, Class: Security, Channels: []Channel{InApp, Email}},
	transactional(Placed), transactional(Paid), transactional(Shipped), transactional(Delivered), transactional(Cancelled), transactional(Refunded), transactional(PaymentFailed),
	transactional(StockLow), transactional(StockOut),
	{Name: StockBack, Class: News, Channels: Channels, OptIn: []Channel{SMS}},
	{Name: Broadcast, Class: News, Channels: Channels, OptIn: []Channel{SMS}},
}

// digest is no kind of its own to anybody: it is what several News in one mail look like.
var digest = Kind{Name: Digest, Class: News, Channels: []Channel{Email}}

func transactional(name string) Kind {
	return Kind{Name: name, Class: Service, Channels: Channels, OptIn: []Channel{SMS}}
}

// Of is a kind by its name. It fails with ErrUnknown.
func Of(name string) (Kind, error) {
	for _, k := range append(All, digest) {
		if k.Name == name {
			return k, nil
		}
	}
	return Kind{}, ErrUnknown
}

// Has says whether the kind can be told on a channel.
func (k Kind) Has(c Channel) bool { return slices.Contains(k.Channels, c) }

// Default says whether somebody who never said anything is told on a channel.
func (k Kind) Default(c Channel) bool { return k.Has(c) && !slices.Contains(k.OptIn, c) }

// Optional says whether people may turn it off.
func (k Kind) Optional() bool { return k.Class != Security }

// Urgent says whether it is told in quiet hours too.
func (k Kind) Urgent() bool { return k.Class == Security }
