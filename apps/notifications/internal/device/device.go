// Package device is the browsers that people want to be told on: what the Web Push standard calls subscriptions.
package device

import (
	"crypto/ecdh"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// What can go wrong with a device.
var (
	ErrNotFound = fault.New(fault.NotFound, "device_not_found", "there is no such device")
	ErrTooMany  = fault.New(fault.Conflict, "too_many_devices", "you have ten devices already; remove one first")
)

// maxDevices is how many devices one person may have.
const maxDevices = 10

// Device is one browser of somebody's. Its address and keys are for whoever sends to it alone.
type Device struct {
	ID        uuid.UUID   `json:"id"`
	UserID    shop.UserID `json:"-"`
	Label     string      `json:"label"`
	Endpoint  string      `json:"-"`
	P256DH    string      `json:"-"`
	Auth      string      `json:"-"`
	CreatedAt time.Time   `json:"created_at"`
}

// pushServices are the hosts of the browsers' makers. The platform calls an address that a caller names: it calls no
// others, or a caller could have it look around in its own network.
var pushServices = []string{"fcm.googleapis.com", ".push.services.mozilla.com", ".notify.windows.com", "web.push.apple.com"}

// checkEndpoint says why an endpoint may not be called; empty if it may.
func checkEndpoint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return "must be an https address without a port"
	}
	known := slices.ContainsFunc(pushServices, func(host string) bool {
		return u.Host == host || host[0] == '.' && strings.HasSuffix(u.Host, host)
	})
	if !known {
		return "must be at a push service of a browser's maker"
	}
	return ""
}

// checkKeys says why keys are none; both are as browsers give them, base64url.
func checkKeys(p256dh, auth string) map[string]string {
	bad := map[string]string{}
	if point, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p256dh, "=")); err != nil {
		bad["keys.p256dh"] = "must be base64url"
	} else if _, err := ecdh.P256().NewPublicKey(point); err != nil {
		bad["keys.p256dh"] = "must be a point of P-256"
	}
	if secret, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(auth, "=")); err != nil || len(secret) != 16 {
		bad["keys.auth"] = "must be 16 bytes in base64url"
	}
	return bad
}

// VAPIDKeys are the platform's, by which push services know who sends (VAPID, RFC 8292).
type VAPIDKeys struct{ Public, Private string }

// NewVAPIDKeys makes the pair of a private key, 32 bytes in base64.
func NewVAPIDKeys(private string) (VAPIDKeys, error) {
	scalar, err := base64.StdEncoding.DecodeString(private)
	if err != nil {
		return VAPIDKeys{}, err
	}
	key, err := ecdh.P256().NewPrivateKey(scalar)
	if err != nil {
		return VAPIDKeys{}, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return VAPIDKeys{Public: encode(key.PublicKey().Bytes()), Private: encode(scalar)}, nil
}
