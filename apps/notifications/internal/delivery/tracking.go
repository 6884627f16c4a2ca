package delivery

import (
	"context"
	"errors"
	"log/slog"
	"regexp"

	"github.com/jackc/pgx/v5"

	"sidecart/apps/notifications/internal/linktoken"
	"sidecart/apps/notifications/internal/preference"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
	"sidecart/kit/web"
)

// ErrInvalidLink refuses what is not in a mail of ours.
var ErrInvalidLink = fault.New(fault.NotFound, "mail_link_invalid", "this link is not one of ours, or not whole")

// TrackingTokens makes and reads the tokens of pictures and links that tell that a mail was opened: which delivery they are in,
// and where on our own site they lead. So a link leads nowhere but where a mail of ours led.
type TrackingTokens struct{ linktoken.Signer }

// NewTrackingTokens makes tokens that are sealed with a key.
func NewTrackingTokens(key string) TrackingTokens {
	return TrackingTokens{linktoken.New(key, "opened")}
}

// ownPath are paths of this site: what browsers take for another one is none.
var ownPath = regexp.MustCompile(`^/([A-Za-z0-9._~-][^\\\s]*)?$`)

// Sign is for a delivery, and for a path where it is a link.
func (t TrackingTokens) Sign(id ID, path string) string { return t.Signer.Sign(id.UUID, path) }

// Opened keeps that a mail was opened, or a link in it followed, if its reader allows that now. It returns where the link leads,
// also where nothing may or can be kept. It fails with ErrTrack.
func (d *Desk) Opened(ctx context.Context, token string, link bool) (path string, err error) {
	about, path, ok := d.tracks.Verify(token)
	if !ok || link != ownPath.MatchString(path) {
		return "", ErrInvalidLink
	}
	id := ID{about}
	err = pgx.BeginFunc(ctx, d.deliveries.db, func(tx pgx.Tx) error {
		reader, err := recipientOf(ctx, tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if wants, err := preference.Get(ctx, tx, reader); err != nil || !wants.Tracking {
			return err
		}
		return markOpened(ctx, tx, id, link)
	})
	if err != nil {
		slog.WarnContext(ctx, "opened mail not counted", "delivery", id, "err", err)
	}
	return path, nil
}

type trackingInput struct {
	Token string `query:"token" validate:"required,max=1000"`
}

// pixel is a GIF of one transparent pixel.
var pixel = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

func (d *Desk) handlePixel(ctx context.Context, _ shop.Caller, in trackingInput) (web.Content, error) {
	_, err := d.Opened(ctx, in.Token, false)
	return web.Content{MediaType: "image/gif", Bytes: pixel}, err
}

func (d *Desk) handleLink(ctx context.Context, _ shop.Caller, in trackingInput) (web.Content, error) {
	path, err := d.Opened(ctx, in.Token, true)
	return web.Content{MediaType: "text/plain", Bytes: []byte("see there"), Header: map[string]string{"Location": path}}, err
}
