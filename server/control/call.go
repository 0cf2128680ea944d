package control

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/wire"
)

// call is one request on its way through the port, together with the memory it
// needs, which later requests reuse. It belongs to the goroutine of its
// connection. Its methods are what routes and verbs do.
type call struct {
	answering
	query   query
	command wire.Command
	spans   []wire.Span // of a batch
}

// The most that an idle call keeps of its buffers, in bytes, and the most of a
// body that an idle connection keeps.
const (
	keepAnswer = 64 << 10
	keepSpans  = 1024
	keepBody   = 64 << 10
)

func (s *Server) newCall(ctx *fasthttp.RequestCtx) *call {
	c := s.calls.Get().(*call)
	c.http, c.ctx, c.out, c.spans = ctx, s.base, c.out[:0], c.spans[:0]
	c.began = time.Now()
	return c
}

// release returns the call to the pool. It no longer holds anything of the
// request.
func (c *call) release() {
	c.command.Reset()
	c.forget()
	c.ctx, c.waiting, c.lacking = nil, false, nil
	c.query = query{}
	if cap(c.out) > keepAnswer {
		c.out = nil
	}
	if cap(c.spans) > keepSpans {
		c.spans = nil
	}
	c.server.calls.Put(c)
}

// incoming is a request as it came in: what it asks for, and who its caller is. It is checked,
// let in or refused, and recorded (handler.go, auth.go, cors.go, audit.go).
type incoming struct {
	server   *Server
	http     *fasthttp.RequestCtx
	began    time.Time
	route    *route
	caller   *access.Key // nil on a route that needs no key
	clientID string      // from the path
}

// forget forgets the request; the server stays.
func (r *incoming) forget() { *r = incoming{server: r.server} }

// timed is a request with the time that it may take. Unless a verb asks for less, that is as
// long as the port runs.
type timed struct {
	incoming
	ctx     context.Context // for the gateway
	waiting bool            // ctx already has a deadline
}

// wait gives the request a context that ends after RequestTimeout, when the port
// shuts down or when the caller disconnects. Only calls that may wait pay for
// it.
func (t *timed) wait() (done func()) {
	if t.waiting {
		return func() {}
	}
	t.waiting = true
	ctx, cancel := context.WithTimeout(t.server.base, t.server.limits.Load().RequestTimeout)
	t.ctx = ctx
	stop := func() {}
	if conn, ok := t.http.Conn().(*callers.Conn); ok {
		stop = conn.Watch(cancel)
	}
	return func() {
		stop()
		cancel()
		t.ctx, t.waiting = t.server.base, false
	}
}

// bound gives the request a context that ends after RequestTimeout or when the
// port shuts down, for operations that may take long.
func (t *timed) bound() (done func()) {
	ctx, cancel := context.WithTimeout(t.server.base, t.server.limits.Load().RequestTimeout)
	t.ctx = ctx
	return func() {
		cancel()
		t.ctx = t.server.base
	}
}

// waitFor gives the request a context that ends after d, when the port shuts down or
// when the caller is gone.
func (t *timed) waitFor(d time.Duration) (done func()) {
	ctx, cancel := context.WithTimeout(t.server.base, d)
	t.ctx = ctx
	stop := func() {}
	if conn, ok := t.http.Conn().(*callers.Conn); ok {
		stop = conn.Watch(cancel)
	}
	return func() {
		stop()
		cancel()
		t.ctx = t.server.base
	}
}
