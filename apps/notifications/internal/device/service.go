package device

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sidecart/kit/event"
	"sidecart/kit/fault"
	"sidecart/kit/idempotency"
	"sidecart/kit/shop"
)

// Service manages devices.
type Service struct {
	db   *event.Outbox
	keys VAPIDKeys
}

// NewService needs a database with Migrations and those of idempotency.
func NewService(db *event.Outbox, keys VAPIDKeys) *Service { return &Service{db: db, keys: keys} }

// NewDevice is the PushSubscription of a browser.
type NewDevice struct {
	idempotency.Key
	Endpoint string `json:"endpoint" validate:"required,max=1000"`
	Keys     struct {
		P256DH string `json:"p256dh" validate:"required,max=200"`
		Auth   string `json:"auth" validate:"required,max=100"`
	} `json:"keys"`
	Label string `json:"label" validate:"line,max=100"` // chosen by the user
}

// Add stores a device, or updates the one with the same endpoint. It fails with fault.ErrInvalid naming all invalid
// fields, or with ErrTooMany.
func (s *Service) Add(ctx context.Context, owner shop.UserID, in NewDevice) (Device, error) {
	bad := fault.ErrInvalid
	if message := checkEndpoint(in.Endpoint); message != "" {
		bad = bad.With("endpoint", message)
	}
	for field, message := range checkKeys(in.Keys.P256DH, in.Keys.Auth) {
		bad = bad.With(field, message)
	}
	if len(bad.Fields) > 0 {
		return Device{}, bad
	}
	return idempotency.Do(ctx, s.db, in.Key, func(tx event.TX) (Device, error) {
		d, err := insert(ctx, tx, Device{
			ID: shop.NewID(), UserID: owner, Label: in.Label, Endpoint: in.Endpoint, P256DH: in.Keys.P256DH, Auth: in.Keys.Auth,
		})
		if err != nil {
			return Device{}, err
		}
		all, err := list(ctx, tx, owner)
		if err == nil && len(all) > maxDevices {
			err = ErrTooMany
		}
		return d, err
	})
}

// DeviceList has the devices of a user, and the key that a page needs to subscribe another.
type DeviceList struct {
	Items     []Device `json:"items"`
	PublicKey string   `json:"public_key"` // the applicationServerKey of PushManager.subscribe
}

// List lists the devices of a user.
func (s *Service) List(ctx context.Context, owner shop.UserID) (DeviceList, error) {
	all, err := list(ctx, s.db, owner)
	return DeviceList{all, s.keys.Public}, err
}

// Remove removes a device of a user. It fails with ErrNotFound.
func (s *Service) Remove(ctx context.Context, owner shop.UserID, id uuid.UUID) error {
	return pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return remove(ctx, tx, owner, id) })
}
