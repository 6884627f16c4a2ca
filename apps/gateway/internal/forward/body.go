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

// body counts what a client sends while it passes.
type body struct {
	from io.Reader
	left int // bytes that may still pass; below 0 there were more
	err  error
}

// Read fails with web.ErrTooLarge at the first byte over the limit.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1] // one more than may pass, so that a body of exactly the limit is told from a longer one
	}
	n, err := b.from.Read(p)
	if b.left -= n; b.left < 0 {
		n, err = 0, web.ErrTooLarge
	}
	b.err = err
	return n, err
}

// drained is how much of a refused body is read and thrown away, in bytes: a client that is still sending would see its
// connection reset and never read why. Past it, it will.
const drained = 4 << 20

// forwardBody lets the client's body stream into req. Reads have none that means anything: it stays outside. It fails with
// web.ErrTooLarge where the announced length is over the limit.
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
	req.SetBodyStream(b, length) // -1, no length announced, goes on in chunks
	return b, nil
}

// fault tells apart who failed when a request could not be carried out: the client that sends the body, if it did not
// send all of it, else whatever err says.
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
	// Whatever happens here, the answer is that the body is too large.
	_, _ = io.CopyN(io.Discard, b.from, drained)
}

// streamedBody is an answer's body that may take long, as long as the client goes on taking it: each part of it has idle.
type streamedBody struct {
	fasthttp.ReadCloserWithError
	client *fasthttp.RequestCtx
	idle   time.Duration
}

// Read gives the client time from now on: waiting for the service is not the client's doing.
func (p *streamedBody) Read(part []byte) (int, error) {
	n, err := p.ReadCloserWithError.Read(part)
	if deadlineErr := p.client.SetWriteDeadline(time.Now().Add(p.idle)); deadlineErr != nil {
		return 0, deadlineErr
	}
	return n, err
}

// streamResponse gives a service's answer to the client.
func streamResponse(c *fiber.Ctx, answer *fasthttp.Response, idle time.Duration) {
	res := c.Response()
	answer.Header.CopyTo(&res.Header)
	if stream, ok := answer.BodyStream().(fasthttp.ReadCloserWithError); ok {
		res.SetBodyStream(&streamedBody{stream, c.Context(), idle}, answer.Header.ContentLength())
		return
	}
	res.SetBody(answer.Body())
}

// smallBody is how large an answer may be to be taken whole, in bytes.
const smallBody = 64 << 10

var buffers = sync.Pool{New: func() any { return new([smallBody]byte) }}

// readSmall reads a small answer before the client is told anything of it. A sidecar that dies in the middle is then a
// fault and not half an answer, and a client that leaves in the middle is no concern of the sidecar's.
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
	res.SetBody(buffer[:length]) // a copy; it also gives the connection back
	return nil
}
