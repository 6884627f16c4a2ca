package forward

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"sidecart/kit/fault"
	"sidecart/kit/web"
)

// body limits a client's body while it is forwarded.
type body struct {
	from io.Reader
	left int // bytes that may still follow; below 0 the limit is exceeded
	err  error
}

// Read fails with web.ErrTooLarge at the first byte over the limit.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1] // one byte over the limit shows that the body is longer
	}
	n, err := b.from.Read(p)
	if b.left -= n; b.left < 0 {
		n, err = 0, web.ErrTooLarge
	}
	b.err = err
	return n, err
}

// drained is how many bytes of a refused body are read and discarded: a client that is still sending would see a reset
// connection instead of the response.
const drained = 4 << 20

// forwardBody streams the client's body into req; a body of GET and HEAD is dropped. It fails with web.ErrTooLarge if
// the Content-Length exceeds the limit.
func forwardBody(c *fiber.Ctx, req *fasthttp.Request, limit int) (*body, error) {
	in := c.Request()
	length := in.Header.ContentLength()
	if length == 0 || in.Header.IsGet() || in.Header.IsHead() {
		return &body{err: io.EOF}, nil
	}
	b := &body{from: in.BodyStream(), left: limit}
	if b.from == nil {
		return &body{err: io.EOF}, nil
	}
	if length > limit {
		b.drain()
		return nil, web.ErrTooLarge
	}
	req.SetBodyStream(b, length) // -1, without Content-Length, becomes chunked
	return b, nil
}

// fault returns the fault of a failed request: of the client, if it did not send the whole body, else err.
func (b *body) fault(c *fiber.Ctx, err error) error {
	switch {
	case errors.Is(b.err, io.EOF):
		return err
	case errors.Is(b.err, web.ErrTooLarge):
		b.drain()
		return web.ErrTooLarge
	}
	switch {
	case b.err != nil:
		c.Context().SetConnectionClose()
		return errBodyUnsent.Wrap(b.err)
	case errors.Is(err, fault.ErrTimedOut):
		c.Context().SetConnectionClose()
		return errLateForBody.Wrap(refused{err})
	}
	b.drain()
	return err
}

func (b *body) drain() {
	_, _ = io.CopyN(io.Discard, b.from, drained) // the response is an error in any case
}

// streamedBody is a response body without a deadline for the whole: each part has idle to be sent.
type streamedBody struct {
	fasthttp.ReadCloserWithError
	client *fasthttp.RequestCtx
	idle   time.Duration
}

// Read extends the client's deadline after each part, because waiting for the service is not the client's fault.
func (p *streamedBody) Read(part []byte) (int, error) {
	n, err := p.ReadCloserWithError.Read(part)
	if deadlineErr := p.client.SetWriteDeadline(time.Now().Add(p.idle)); deadlineErr != nil {
		return 0, deadlineErr
	}
	return n, err
}

// streamResponse streams a service's response to the client.
func streamResponse(c *fiber.Ctx, response *fasthttp.Response, idle time.Duration) {
	res := c.Response()
	response.Header.CopyTo(&res.Header)
	if stream, ok := response.BodyStream().(fasthttp.ReadCloserWithError); ok {
		res.SetBodyStream(&streamedBody{stream, c.Context(), idle}, response.Header.ContentLength())
		return
	}
	res.SetBody(response.Body())
}

// smallBody is the size in bytes up to which a response is read before it is sent.
const smallBody = 64 << 10

var buffers = sync.Pool{New: func() any { return new([smallBody]byte) }}

// readSmall reads a small response before anything is sent to the client. If a sidecar exits meanwhile, the client gets
// an error and not half a response, and a client that disconnects does not affect the sidecar's connection.
func readSmall(res *fasthttp.Response) error {
	length := res.Header.ContentLength()
	if length < 0 || length > smallBody || res.BodyStream() == nil {
		return nil
	}
	buffer := buffers.Get().(*[smallBody]byte)
	defer buffers.Put(buffer)
	if _, err := io.ReadFull(res.BodyStream(), buffer[:length]); err != nil {
		return err
	}
	res.SetBody(buffer[:length]) // a copy; it also releases the connection
	return nil
}
