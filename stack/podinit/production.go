package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"sidecart/stack/internal/settings"
)

// check refuses settings that cannot work, and in production also those that are unsafe. It reports all errors.
func check(s settings.Settings, production bool) error {
	failed := []error{named("JWT_SECRET_KEY", checkSigningKey(s.Get("JWT_SECRET_KEY", "")))}
	if production {
		for _, rule := range productionRules {
			failed = append(failed, named(rule.name, rule.check(s, s.Get(rule.name, ""))))
		}
	}
	return errors.Join(failed...)
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

// productionRules are what a public platform needs. A secret that is not set is made, and is fine.
var productionRules = []struct {
	name  string
	check func(s settings.Settings, value string) error
}{
	{"SIDECART_ENV", func(_ settings.Settings, v string) error {
		return failIf(v == "local", "is local, which trusts localhost and accepts missing tokens: leave it out")
	}},
	{"DB_PASSWORD", func(_ settings.Settings, v string) error {
		return failIf(v != "" && (len(v) < 16 || isPlaceholder(v)),
			"is a placeholder or shorter than 16 characters: leave it out, and a random one is made")
	}},
	{"PUBLIC_URL", func(_ settings.Settings, v string) error {
		u, err := url.Parse(v)
		return failIf(err != nil || u.Scheme != "https" || isLocal(u.Hostname()) || u.Path != "" && u.Path != "/",
			"must be the https address by which customers reach the platform, like https://shop.example.com")
	}},
	{"TRUSTED_HOSTS", func(s settings.Settings, v string) error {
		hosts := strings.FieldsFunc(strings.ToLower(v), func(r rune) bool { return r == ',' || r == ' ' })
		if len(hosts) == 0 {
			return errors.New("is not set: list the host names of the platform, at least that of PUBLIC_URL")
		}
		u, err := url.Parse(strings.ToLower(s.Get("PUBLIC_URL", "")))
		return failIf(err == nil && u.Hostname() != "" && !slices.Contains(hosts, u.Hostname()), "does not have the host of PUBLIC_URL")
	}},
	{"SMTP_ADDR", func(_ settings.Settings, v string) error {
		host, _, _ := strings.Cut(v, ":")
		return failIf(host == "" || isLocal(host) || host == "mailhog", "must be the mail server, like smtp.example.com:587, for links "+
			"that confirm an address or reset a password")
	}},
	{"SMTP_TLS", func(_ settings.Settings, v string) error {
		return failIf(v == "none", "is none, and mails and the password of the mail server would pass unencrypted: use starttls or tls")
	}},
	{"EMAIL_USERNAME", func(s settings.Settings, v string) error {
		return failIf((v == "") != (s.Get("EMAIL_PASSWORD", "") == ""), "and EMAIL_PASSWORD are set together, or neither")
	}},
	{"SMTP_AUTH", func(s settings.Settings, v string) error {
		return failIf((v == "true") != (s.Get("EMAIL_USERNAME", "") != ""), "must be true with EMAIL_USERNAME and EMAIL_PASSWORD, and false "+
			"without them")
	}},
	{"EMAIL_PASSWORD", func(_ settings.Settings, v string) error {
		return failIf(isPlaceholder(v), "is a placeholder: set the password that the mail provider gave you")
	}},
	{"MAIL_FROM", func(_ settings.Settings, v string) error {
		return failIf(v == "" || strings.Contains(v, "sidecart.example"), "must be the sender of mails, of a domain of yours")
	}},
	{"PAYMENT_PROVIDER", func(_ settings.Settings, v string) error {
		return failIf(v == "", "is not set: stripe, or simulated, which moves no money")
	}},
	{"STRIPE_API_KEY", func(s settings.Settings, v string) error {
		return failIf(s.Get("PAYMENT_PROVIDER", "") == "stripe" && (v == "" || isPlaceholder(v)), "must be set with PAYMENT_PROVIDER=stripe")
	}},
	{"STRIPE_WEBHOOK_KEY", func(s settings.Settings, v string) error {
		return failIf(s.Get("PAYMENT_PROVIDER", "") == "stripe" && (v == "" || isPlaceholder(v)), "must be set with PAYMENT_PROVIDER=stripe")
	}},
}

func failIf(wrong bool, message string) error {
	if wrong {
		return errors.New(message)
	}
	return nil
}

func isLocal(host string) bool {
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") || strings.HasPrefix(host, "127.") || host == "::1"
}

var placeholders = []string{"changeme", "change-me", "change_me", "password", "secret", "postgres", "example", "your-", "your_", "placeholder", "12345678", "xxxx"}

func isPlaceholder(value string) bool {
	value = strings.ToLower(value)
	return slices.ContainsFunc(placeholders, func(p string) bool { return strings.Contains(value, p) })
}

// checkSigningKey accepts what users accepts: one secret or several, each 32 random bytes in base64.
func checkSigningKey(text string) error {
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(key) < 32 {
			return errors.New("must be 32 random bytes in base64 (openssl rand -base64 32); leave it out, and one is made")
		}
	}
	return nil
}

// shareKey reports whether two lists of keys have one in common.
func shareKey(a, b string) bool {
	keys := strings.Split(b, ",")
	for key := range strings.SplitSeq(a, ",") {
		if slices.Contains(keys, strings.TrimSpace(key)) && key != "" {
			return true
		}
	}
	return false
}
