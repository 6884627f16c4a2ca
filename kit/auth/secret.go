package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// secretSize is the least size of a secret in bytes.
const secretSize = 32

// parseSecrets decodes JWT_SECRET_KEY: base64 of 32 random bytes, or several of these, separated by commas. New keys
// use the first. It fails for a secret that could be guessed. The error does not contain the secret.
func parseSecrets(text string) (secrets [][]byte, err error) {
	for encoded := range strings.SplitSeq(text, ",") {
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err == nil {
			err = weakness(secret)
		}
		if err != nil {
			return nil, fmt.Errorf("JWT_SECRET_KEY must be %d random bytes in base64 (openssl rand -base64 %d): %w",
				secretSize, secretSize, redact(err))
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}

// redact replaces a decoder's error, which quotes the secret.
func redact(err error) error {
	if corrupt := base64.CorruptInputError(0); errors.As(err, &corrupt) {
		return errors.New("it is not base64")
	}
	return err
}

// weakness reports why a secret is not random. Fewer than one in 10^14 random secrets of 32 bytes fail: those with
// fewer than 16 distinct bytes, or with printable bytes only.
func weakness(secret []byte) error {
	distinct, steps, printable := map[byte]bool{}, map[byte]bool{}, true
	for i, b := range secret {
		distinct[b] = true
		if i > 0 {
			steps[b-secret[i-1]] = true
		}
		printable = printable && b >= ' ' && b <= '~'
	}
	half := len(secret) / 2
	switch {
	case len(secret) < secretSize:
		return fmt.Errorf("it has %d bytes", len(secret))
	case len(distinct) < 16:
		return errors.New("too few of its bytes differ")
	case len(steps) < 8:
		return errors.New("its bytes follow a pattern")
	case bytes.Equal(secret[:half], secret[len(secret)-half:]):
		return errors.New("it repeats itself")
	case printable:
		return errors.New("it is text, not random bytes")
	}
	return nil
}

// derive returns a key for a purpose (HKDF, RFC 5869).
func derive(secret, salt []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, salt, "sidecart "+purpose, ed25519.SeedSize)
	if err != nil {
		panic(err) // only for an impossible length
	}
	return key
}
