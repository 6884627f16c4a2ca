package web

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"sidecart/kit/fault"
	"sidecart/kit/shop"
)

var (
	errEscape    = fault.ErrMalformed.WithMessage("the query has a % without two hexadecimal digits")
	errQueryName = fault.ErrMalformed.WithMessage("the name of a query parameter is not UTF-8")
	errQueryText = fault.ErrMalformed.WithMessage("a query parameter is not UTF-8")
)

// tracking are parameters that mails, advertisements and measurements add to links; one with * is a beginning.
var tracking = []string{
	"utm_*", "mtm_*", "pk_*", "matomo_*", "_ga", "_gl", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "gad_*", "srsltid",
	"fbclid", "msclkid", "ttclid", "twclid", "li_fat_id", "igshid", "igsh", "yclid", "ysclid", "epik", "rdt_cid", "sccid",
	"mc_cid", "mc_eid", "mkt_tok", "_hsenc", "_hsmi", "vero_id", "_kx", "s_kwcid",
}

// IsTracking reports whether a query parameter is one that others add to links. Public reads ignore them; every other
// route refuses them like all unknown parameters.
func IsTracking(name string) bool {
	return slices.ContainsFunc(tracking, func(known string) bool {
		prefix, many := strings.CutSuffix(known, "*")
		return name == known || many && strings.HasPrefix(name, prefix)
	})
}

// CheckEscapes fails with ErrMalformed if a query has a % that is no escape: programs on the way would read it
// differently.
func CheckEscapes(query []byte) error {
	for {
		at := bytes.IndexByte(query, '%')
		if at < 0 {
			return nil
		}
		if query = query[at+1:]; len(query) < 2 || !isHex(query[0]) || !isHex(query[1]) {
			return errEscape
		}
	}
}

func isHex(ch byte) bool {
	return '0' <= ch && ch <= '9' || 'a' <= ch && ch <= 'f' || 'A' <= ch && ch <= 'F'
}

// maxRefused is how many unknown parameters a refusal names.
const maxRefused = 20

// checkQuery adds to bad each query parameter that the route does not have, that is given twice or that is empty. It
// fails with ErrMalformed if the query is not UTF-8 or has an invalid escape.
func (plan *inputPlan) checkQuery(c *fiber.Ctx, op *operation, bad fields) error {
	query := c.Context().URI().QueryString()
	if len(query) == 0 {
		return nil
	}
	if err := CheckEscapes(query); err != nil {
		return err
	}
	seen := map[string]bool{}
	for key, value := range c.Context().QueryArgs().All() {
		name := string(key)
		p, known := plan.queryParam(name)
		switch {
		case !utf8.ValidString(name):
			return errQueryName
		case !known && op.need == shop.Anyone && op.method == fiber.MethodGet && IsTracking(name):
		case !utf8.Valid(value):
			return errQueryText.With(name, "must be UTF-8")
		case !known && len(bad) < maxRefused:
			bad.add(name, "is not a parameter of this operation")
		case seen[name]:
			bad.add(name, "must be given once")
		case len(value) == 0 && known && !p.mayBeEmpty():
			bad.add(name, "must not be empty; leave it out instead")
		}
		seen[name] = true
	}
	return nil
}

// queryParam is the parameter of a name in the query.
func (plan *inputPlan) queryParam(name string) (param, bool) {
	for _, p := range plan.params {
		prefix, many := strings.CutSuffix(p.param, "*")
		if p.in == "query" && (name == p.param || many && strings.HasPrefix(name, prefix) && name != prefix) {
			return p, true
		}
	}
	return param{}, false
}

// mayBeEmpty reports whether an empty value has a meaning: the tag empty says so of a search text, and an attribute may
// have an empty value.
func (p param) mayBeEmpty() bool {
	_, tagged := p.Tag.Lookup("empty")
	return tagged || p.Type == reflect.TypeFor[map[string]string]()
}
