package simulated

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"sidecart/apps/orders/internal/payment"
)

// signatureTTL is how long a signature is valid, so that an intercepted message cannot be replayed later.
const signatureTTL = 5 * time.Minute

// Sign returns the header Payment-Signature of a message: the time, and the HMAC-SHA256 of the time and the body.
func Sign(key string, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac([]byte(key), t, body))
}

func mac(key []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(h, "%s.", t) // writing to a hash never fails
	h.Write(body)
	return h.Sum(nil)
}

// verify checks that one of the signatures of a header is of one of the keys: while a key is rolled, a message may have
// several signatures, and there are two keys. It fails with payment.ErrSignature.
func verify(header string, body []byte, keys [][]byte, now time.Time) error {
	t, signatures := parseHeader(header)
	unix, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return payment.ErrSignature
	}
	if age := now.Sub(time.Unix(unix, 0)); age > signatureTTL || age < -signatureTTL {
		return payment.ErrSignature
	}
	valid := 0
	for _, key := range keys {
		expected := mac(key, t, body)
		for _, signature := range signatures { // all, so that the time does not depend on which one is right
			valid |= subtle.ConstantTimeCompare(signature, expected)
		}
	}
	if valid != 1 {
		return payment.ErrSignature
	}
	return nil
}

// parseHeader parses "t=<unix time>,v1=<hex>,v1=<hex>", in any order. It leaves out other schemes, and signatures that
// are no hex. The time is empty if the header is malformed or has two.
func parseHeader(header string) (t string, signatures [][]byte) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case !found, name == "t" && t != "":
			return "", nil
		case name == "t":
			t = value
		case name == "v1":
			if signature, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, signature)
			}
		}
	}
	return t, signatures
}
