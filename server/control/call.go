package control

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// call is one request on its way through the port, together with the memory it
// needs, which later requests reuse. It belongs to the goroutine of its
// connection.
type call struct {
	server *Server

	// Of this request.
	http     *fasthttp.RequestCtx
	began    time.Time
	ctx      context.Context // for the gateway
	route    *route
	caller   *access.Key // nil on a route that needs no key
	clientID string      // from the path
	list     gateway.List
	events   eventQuery
	// explained is the query of GET /v1/explain.
	explained gateway.Explain
	waiting   bool // ctx already has a deadline
	// clusterWide is the parameter cluster of GET /v1/stats; lacking is what the answer
	// of a verb lacks, see whole.
	clusterWide bool
	lacking     *gateway.Incomplete

	command wire.Command
	spans   []wire.Span   // of a batch
	out     []byte        // the answer
	ended   chan struct{} // of a command of a batch that is executed beside others
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
	c.http, c.ctx, c.route, c.caller = nil, nil, nil, nil
	c.clientID, c.list, c.events, c.waiting = "", gateway.List{}, eventQuery{}, false
	c.clusterWide, c.lacking, c.ended = false, nil, nil
	c.explained = gateway.Explain{}
	if cap(c.out) > keepAnswer {
		c.out = nil
	}
	if cap(c.spans) > keepSpans {
		c.spans = nil
	}
	c.server.calls.Put(c)
}

// answer sends what the call has appended to out.
func (c *call) answer(contentType string) {
	resp := &c.http.Response
	resp.Header.SetContentType(contentType)
	if len(c.out) > keepAnswer {
		// fasthttp would keep a copy as long as the connection lives.
		resp.SetBodyRaw(c.out)
		return
	}
	resp.SetBody(c.out)
}

// wait gives the call a context that ends after RequestTimeout, when the port
// shuts down or when the caller disconnects. Only calls that may wait pay for
// it.
func (c *call) wait() (done func()) {
	if c.waiting {
		return func() {}
	}
	c.waiting = true
	ctx, cancel := context.WithTimeout(c.server.base, c.server.limits.Load().RequestTimeout)
	c.ctx = ctx
	stop := func() {}
	if conn, ok := c.http.Conn().(*callers.Conn); ok {
		stop = conn.Watch(cancel)
	}
	return func() {
		stop()
		cancel()
		c.ctx, c.waiting = c.server.base, false
	}
}

// bound gives the call a context that ends after RequestTimeout or when the
// port shuts down, for operations that may take long.
func (c *call) bound() (done func()) {
	ctx, cancel := context.WithTimeout(c.server.base, c.server.limits.Load().RequestTimeout)
	c.ctx = ctx
	return func() {
		cancel()
		c.ctx = c.server.base
	}
}
