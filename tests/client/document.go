package client

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strconv"
)

var rateLimit = regexp.MustCompile(`("x-rate-limit":")(\d+)`)

// Document is the API's document as docs/openapi.json has it: indented, with the limits of a platform whose
// RATE_LIMIT_SCALE is 1. scale is that of the platform called.
func (c Client) Document(ctx context.Context, scale int) ([]byte, error) {
	res, err := c.Do(ctx, "GET /openapi.json", nil)
	if err != nil {
		return nil, err
	}
	if err := res.Into(200, nil); err != nil {
		return nil, err
	}
	unscaled := rateLimit.ReplaceAllFunc(res.Body, func(found []byte) []byte {
		part := rateLimit.FindSubmatch(found)
		perMinute, _ := strconv.Atoi(string(part[2])) // digits
		return strconv.AppendInt(part[1], int64(perMinute/scale), 10)
	})
	var out bytes.Buffer
	if err := json.Indent(&out, unscaled, "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
