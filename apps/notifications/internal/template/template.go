// Package template holds the texts of notifications: one for each kind, channel and language. The built-in texts can be
// replaced by admins. Customers' input in variables stays text: it is never read as markup or as a template.
package template

import (
	"strings"
	"time"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// Errors of templates.
var (
	ErrNotFound           = fault.New(fault.NotFound, "template_not_found", "there is no such template")
	ErrBroken             = fault.New(fault.Invalid, "template_broken", "the template cannot be rendered")
	ErrPreconditionFailed = fault.New(fault.Conflict, "template_changed", "concurrent update: get the template again")
)

// Language is the first part of a BCP 47 tag.
type Language string

// The languages.
const (
	English Language = "en"
	German  Language = "de"
	Spanish Language = "es"
)

// Languages are all languages; the first is the default.
var Languages = []Language{English, German, Spanish}

// Selector identifies a template.
type Selector struct {
	Kind     string       `path:"kind" example:"orders.shipped"`
	Channel  kind.Channel `path:"channel" example:"email"`
	Language Language     `query:"language" default:"en" validate:"oneof=en de es"`
}

// TemplateText is the text of a template, or a rendered text. SMS have a body only. HTML is for e-mail only, and is the
// part inside the shop's page until it is rendered.
type TemplateText struct {
	Title string `json:"title"` // the subject of an e-mail
	Body  string `json:"body"`
	HTML  string `json:"html,omitempty"`
}

// Template is a version of a template. Version 0 is the built-in one.
type Template struct {
	Kind     string       `json:"kind"`
	Channel  kind.Channel `json:"channel"`
	Language Language     `json:"language"`
	Version  int          `json:"version"`
	TemplateText
	ChangedBy *shop.UserID `json:"changed_by"`
	ChangedAt *time.Time   `json:"changed_at"`
}

// Variables are what a template may name, formatted for readers. A variable that does not belong to the kind is empty.
// Links are set when the message is sent.
type Variables struct {
	Name        string      `json:",omitempty"` // of the user
	Username    string      `json:",omitempty"`
	Number      string      `json:",omitempty"` // of the order
	Goods       string      `json:",omitempty"` // the first items of the order
	More        string      `json:",omitempty"` // the number of further items
	Total       string      `json:",omitempty"`
	Currency    string      `json:",omitempty"`
	Partial     string      `json:",omitempty"` // not empty for a partial refund
	Reason      string      `json:",omitempty"`
	ReasonCode  shop.Reason `json:",omitempty"` // replaces Reason by its translation, if there is one
	Carrier     string      `json:",omitempty"`
	Tracking    string      `json:",omitempty"`
	Product     string      `json:",omitempty"`
	SKU         string      `json:",omitempty"`
	Available   string      `json:",omitempty"`
	Threshold   string      `json:",omitempty"`
	Until       string      `json:",omitempty"` // a time, in UTC
	Address     string      `json:",omitempty"` // of a device
	Device      string      `json:",omitempty"`
	Title       string      `json:",omitempty"` // of a broadcast
	Text        string      `json:",omitempty"` // of a broadcast or a digest
	Link        string      `json:",omitempty"`
	Unsubscribe string      `json:",omitempty"` // the link to unsubscribe from this kind
	Pixel       string      `json:",omitempty"` // the tracking image

	items []DigestItem // the digest in Text
}

// DigestItem is one notification of a digest. Link may be empty.
type DigestItem struct{ Title, Body, Link string }

// WithItems sets Text to a digest of items. In HTML each title is a link.
func (v Variables) WithItems(items []DigestItem) Variables {
	var all []string
	for _, i := range items {
		all = append(all, strings.TrimSuffix(i.Title+"\n"+i.Body+"\n"+i.Link, "\n"))
	}
	v.items, v.Text = items, strings.Join(all, "\n\n")
	return v
}

// Sample has a value for each variable, for previews.
var Sample = Variables{
	Name: "Ada <b>Example</b>", Username: "ada", Number: "SC-2026-0001",
	Goods: "2 × Wireless Headphones, 1 × Case & Strap", More: "3", Total: "599.98", Currency: "USD", Partial: "yes",
	Reason: shop.CardDeclined.Text(), ReasonCode: shop.CardDeclined, Carrier: "DHL", Tracking: "JD0146000031",
	Product: "Wireless Headphones", SKU: "WH-001", Available: "3", Threshold: "10", Until: "2026-01-02 15:04 UTC",
	Address: "203.0.113.7", Device: "Firefox on Linux",
	Title: "New in the shop", Text: "Headphones with the sound of the sea.",
	Link:        "https://shop.example.com/link?token=sample",
	Unsubscribe: "https://shop.example.com/unsubscribe?token=sample",
}
