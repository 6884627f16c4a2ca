// Package template is what messages say: a text for each kind, channel and language, built in and replaced by what an
// admin wrote, filled with facts in which words of customers stay text.
package template

import (
	"strings"
	"time"

	"sidecart/apps/notifications/internal/kind"
	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

// What can go wrong with a template.
var (
	ErrNotFound           = fault.New(fault.NotFound, "template_not_found", "there is no such template")
	ErrBroken             = fault.New(fault.Invalid, "template_broken", "the template cannot be used as it is")
	ErrPreconditionFailed = fault.New(fault.Conflict, "template_changed", "somebody else has changed the template meanwhile; read it again")
)

// Language is one in which people can be told, as the first part of a BCP 47 tag.
type Language string

// The languages.
const (
	English Language = "en"
	German  Language = "de"
	Spanish Language = "es"
)

// Languages are all of them; the first is for who never said.
var Languages = []Language{English, German, Spanish}

// TemplateText is one template, or one text that came of it. SMS has a body only; HTML is for e-mail only, and is what stands
// inside the shop's page.
type TemplateText struct {
	Title string `json:"title"` // the subject of an e-mail
	Body  string `json:"body"`
	HTML  string `json:"html,omitempty"`
}

// Template is a text with what it is for. Version 0 is the one that is built in.
type Template struct {
	Kind     string       `json:"kind"`
	Channel  kind.Channel `json:"channel"`
	Language Language     `json:"language"`
	Version  int          `json:"version"`
	TemplateText
	ChangedBy *shop.UserID `json:"changed_by"`
	ChangedAt *time.Time   `json:"changed_at"`
}

// Variables are what a template may name, as texts ready to be read; what does not belong to its kind is empty. Links are made
// when a message is sent.
type Variables struct {
	Name        string      `json:",omitempty"` // of whoever is told
	Username    string      `json:",omitempty"`
	Number      string      `json:",omitempty"` // of the order
	Goods       string      `json:",omitempty"` // the first lines of the order
	More        string      `json:",omitempty"` // how many lines there are beside them
	Total       string      `json:",omitempty"`
	Currency    string      `json:",omitempty"`
	Partial     string      `json:",omitempty"` // not empty if only a part is refunded
	Reason      string      `json:",omitempty"`
	ReasonCode  shop.Reason `json:",omitempty"` // Reason is said in the words that a language has for it, if any
	Carrier     string      `json:",omitempty"`
	Tracking    string      `json:",omitempty"`
	Product     string      `json:",omitempty"`
	SKU         string      `json:",omitempty"`
	Available   string      `json:",omitempty"`
	Threshold   string      `json:",omitempty"`
	Until       string      `json:",omitempty"` // a moment, in UTC
	Address     string      `json:",omitempty"` // of a device
	Device      string      `json:",omitempty"`
	Title       string      `json:",omitempty"` // of a broadcast
	Text        string      `json:",omitempty"` // of a broadcast, or what a digest gathers
	Link        string      `json:",omitempty"` // where to go on
	Unsubscribe string      `json:",omitempty"` // ends this kind
	Pixel       string      `json:",omitempty"` // a picture that tells that the page was opened

	news []DigestItem // that Text says
}

// DigestItem is one of what a digest gathers.
type DigestItem struct{ Title, Body, Link string }

// WithItems are facts whose Text says several news, each on lines of its own; on a page its title leads where its link does.
func (f Variables) WithItems(news []DigestItem) Variables {
	var all []string
	for _, n := range news {
		all = append(all, strings.TrimSuffix(n.Title+"\n"+n.Body+"\n"+n.Link, "\n"))
	}
	f.news, f.Text = news, strings.Join(all, "\n\n")
	return f
}

// Sample are facts for a preview, every one there.
var Sample = Variables{
	Name: "Ada <b>Example</b>", Username: "ada", Number: "SC-2026-0001", Goods: "2 × Wireless Headphones, 1 × Case & Strap", More: "3",
	Total: "599.98", Currency: "USD", Partial: "yes", Reason: shop.CardDeclined.Text(), ReasonCode: shop.CardDeclined, Carrier: "DHL", Tracking: "JD0146000031",
	Product: "Wireless Headphones", SKU: "WH-001", Available: "3", Threshold: "10", Until: "2026-01-02 15:04 UTC", Address: "203.0.113.7",
	Device: "Firefox on Linux", Title: "New in the shop", Text: "Headphones that you can hear the sea with.",
	Link: "https://shop.example.com/link?token=sample", Unsubscribe: "https://shop.example.com/unsubscribe?token=sample",
}
