// Package device stores the browsers of users, and sends push messages to them (Web Push).
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

// Errors of devices.
var (
	ErrNotFound = fault.New(fault.NotFound, "device_not_found", "there is no such device")
	ErrTooMany  = fault.New(fault.Conflict, "too_many_devices", "there are ten devices already; remove one first")
)

// maxDevices of a user.
const maxDevices = 10

// Device is a browser of a user: a push subscription in the terms of Web Push. Its endpoint and keys are secret.
type Device struct {
	ID        uuid.UUID   `json:"id"`
	UserID    shop.UserID `json:"-"`
	Label     string      `json:"label"`
	Endpoint  string      `json:"-"`
	P256DH    string      `json:"-"`
	Auth      string      `json:"-"`
	CreatedAt time.Time   `json:"created_at"`
}

// pushServices are the hosts of the browser vendors. A caller chooses the endpoint that the platform calls: other hosts
// would allow requests into its own network (SSRF).
var pushServices = []string{"fcm.googleapis.com", ".push.services.mozilla.com", ".notify.windows.com", "web.push.apple.com"}

// checkEndpoint returns why an endpoint is refused, or "".
func checkEndpoint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Port() != "" {
		return "must be an https URL without a port"
	}
	known := slices.ContainsFunc(pushServices, func(host string) bool {
		return u.Host == host || host[0] == '.' && strings.HasSuffix(u.Host, host)
	})
	if !known {
		return "must be at the push service of a browser vendor"
	}
	return ""
}

// checkKeys returns why keys are refused, by field. Browsers encode them as base64url.
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

// VAPIDKeys identify the platform to push services (RFC 8292).
type VAPIDKeys struct{ Public, Private string }

// NewVAPIDKeys derives the public key of a private key, 32 bytes in base64.
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
