package delivery

import (
	"regexp"

	"sidecart/apps/notifications/internal/linktoken"
	"sidecart/kit/fault"
)

// ErrInvalidLink refuses a token that the platform did not sign.
var ErrInvalidLink = fault.New(fault.NotFound, "mail_link_invalid", "the link is invalid or incomplete")

// TrackingTokens signs and verifies the tokens of tracking pixels and tracked links in e-mails: the delivery, and for a
// link the path on this site. So a tracked link redirects only to paths that were in an e-mail.
type TrackingTokens struct{ linktoken.Signer }

// NewTrackingTokens signs with a key.
func NewTrackingTokens(key string) TrackingTokens {
	return TrackingTokens{linktoken.New(key, "opened")}
}

// Sign makes the token of a delivery's link, or with an empty path that of its pixel.
func (t TrackingTokens) Sign(id ID, path string) string { return t.Signer.Sign(id.UUID, path) }

// ownPath matches a path on this site, but not what a browser reads as another host.
var ownPath = regexp.MustCompile(`^/([A-Za-z0-9._~-][^\\\s]*)?$`)

// pixel is a GIF of one transparent pixel.
var pixel = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00" +
	",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
