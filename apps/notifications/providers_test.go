package main

import (
	"strings"
	"testing"

	"sidecart/kit/config"
)

// TestUnencryptedMailIsRefused covers servers with and without authentication.
func TestUnencryptedMailIsRefused(t *testing.T) {
	for _, c := range []struct {
		env, addr, tls string
		refused        bool
	}{
		{"production", "mail.example.com:25", "none", true},
		{"production", "10.0.0.7:25", "none", true},
		{"production", "mailhog:1025", "none", true},
		{"production", "localhost:11025", "none", false},
		{"production", "127.0.0.1:11025", "none", false},
		{"production", "[::1]:11025", "none", false},
		{"production", "mail.example.com:587", "starttls", false},
		{"production", "mail.example.com:465", "tls", false},
		{"local", "mailhog:1025", "none", false},
	} {
		t.Setenv("SIDECART_ENV", c.env)
		t.Setenv("SMTP_ADDR", c.addr)
		t.Setenv("SMTP_TLS", c.tls)
		var env config.Env
		mailSettings(&env)
		if err := env.Err(); (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), "SMTP_TLS") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
