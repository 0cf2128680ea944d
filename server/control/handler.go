package control

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/wire"
)

const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
)

// trackState is fasthttp's ConnState hook.
func trackState(nc net.Conn, s fasthttp.ConnState) {
	c, ok := nc.(*callers.Conn)
	if !ok {
		return
	}
	switch s {
	case fasthttp.StateActive:
		c.Become(callers.Reading)
	case fasthttp.StateIdle:
		c.Become(callers.Idle)
	}
}

// handle serves one request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	conn, _ := ctx.Conn().(*callers.Conn)
	if conn != nil && !conn.Become(callers.Serving) {
		// The request arrived while its connection was being closed. Its result may
		// not be delivered, so it must not be executed. This answer may be.
		s.fail(ctx, errMadeRoom)
		s.shareAnswer(ctx)
		ctx.SetConnectionClose()
		s.count(nil, ctx.Response.StatusCode(), 0)
		return
	}
	c := s.newCall(ctx)
	defer s.finish(c)
	if err := c.serve(); err != nil {
		s.fail(ctx, err)
	}
	s.shareAnswer(ctx)
	if s.leaving.Load() {
		ctx.SetConnectionClose()
	}
	if conn != nil && bodyNotRead(&ctx.Request.Header) {
		conn.Linger()
	}
	if body := ctx.Request.Body(); cap(body) > keepBody {
		ctx.Request.ReleaseBody(keepBody)
	}
}

// finish ends a call, also after a panic, which would otherwise end the
// process. It is deferred directly so that it can recover.
func (s *Server) finish(c *call) {
	route := c.route
	if p := recover(); p != nil {
		s.defect(p)
		c.http.Response.Reset()
		s.fail(c.http, &wire.Fault{Code: codeInternal, Detail: "internal error; see the gateway's log"})
		s.shareAnswer(c.http)
		c.http.SetConnectionClose()
		s.count(route, c.http.Response.StatusCode(), time.Since(c.began))
		return // the call is not reused
	}
	s.count(route, c.http.Response.StatusCode(), time.Since(c.began))
	c.release()
}

// defect notes a panic.
func (s *Server) defect(p any) {
	s.panicked.Add(1)
	s.log.Error("defect in the control port", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

// serve finds the route, checks that the caller may use it, and runs it.
func (c *call) serve() error {
	s, ctx := c.server, c.http
	if err := c.checkForm(); err != nil {
		ctx.SetConnectionClose()
		if conn, ok := ctx.Conn().(*callers.Conn); ok {
			conn.Linger()
		}
		return err
	}
	res, err := s.routes.find(ctx.URI().PathOriginal(), &c.clientID)
	if err == nil {
		c.route = res.route(ctx)
	}
	if preflight(ctx) {
		methods := anyMethod
		if err == nil {
			methods = res.allow
		}
		return c.answerPreflight(methods)
	}
	if c.route == nil || !c.route.open {
		if err := c.letIn(); err != nil {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case c.route == nil && ctx.IsOptions():
		ctx.Response.Header.Set(fasthttp.HeaderAllow, res.allow)
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return nil
	case c.route == nil:
		ctx.Response.Header.Set(fasthttp.HeaderAllow, res.allow)
		return wire.Faultf(codeMethodNotAllowed, "%s supports %s, not %.32s", res.path, res.allow, ctx.Method())
	}
	if c.route.body != noBody {
		if err := c.checkBody(); err != nil {
			return err
		}
	}
	if err := c.parameters(); err != nil {
		return err
	}
	return c.route.run(c)
}

// checkForm refuses other HTTP versions, and requests whose body fasthttp would
// read as the next request: it accepts Transfer-Encoding: identity, which RFC
// 9112 no longer has. A request with both lengths is read by fasthttp and its
// connection is then closed.
func (r *incoming) checkForm() error {
	h := &r.http.Request.Header
	if !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0" {
		return wire.Faultf(codeHTTPVersion, "this port supports HTTP/1.1 only")
	}
	if len(r.http.Request.Body()) > 0 && !h.ConnectionClose() {
		return nil
	}
	if coding, ok := rawField(h, "transfer-encoding"); ok && !bytes.EqualFold(coding, []byte("chunked")) {
		return wire.Faultf(codeBadRequest, "the only supported Transfer-Encoding is chunked")
	}
	return nil
}

// checkBody refuses a body that cannot belong to this route.
func (r *incoming) checkBody() error {
	h := &r.http.Request.Header
	if len(r.http.Request.Body()) == 0 && !framed(h) {
		return wire.Faultf(codeLengthRequired, "send Content-Length or Transfer-Encoding: chunked")
	}
	if e := h.ContentEncoding(); len(e) > 0 && !bytes.EqualFold(e, []byte("identity")) {
		return wire.Faultf(codeMediaType, "Content-Encoding %.64q is not supported", e)
	}
	if r.route.body == anyBody {
		return nil
	}
	t := mediaType(h.ContentType())
	switch {
	case len(t) == 0, bytes.EqualFold(t, []byte(jsonType)):
		return nil
	case len(t) > len("application/+json") && bytes.EqualFold(t[:len("application/")], []byte("application/")) &&
		bytes.EqualFold(t[len(t)-len("+json"):], []byte("+json")):
		return nil
	case r.route.body == batchBody && bytes.EqualFold(t, []byte(ndjsonType)):
		return nil
	}
	takes := jsonType
	if r.route.body == batchBody {
		takes += " or " + ndjsonType
	}
	return wire.Faultf(codeMediaType, "Content-Type %.64q is not supported here; send the header Content-Type: %s", t, takes)
}

// framed reports whether a request without a body declares one, by a length or
// by chunks. fasthttp represents both as a length of 0; the raw headers tell
// them apart.
func framed(h *fasthttp.RequestHeader) bool {
	_, length := rawField(h, "content-length")
	_, coding := rawField(h, "transfer-encoding")
	return length || coding
}

// rawField is a header field as received.
func rawField(h *fasthttp.RequestHeader, want string) (value []byte, ok bool) {
	for raw := h.RawHeaders(); len(raw) > 0; {
		var line []byte
		line, raw, _ = bytes.Cut(raw, []byte{'\n'})
		name, value, _ := bytes.Cut(line, []byte{':'})
		if len(name) == len(want) && bytes.EqualFold(name, []byte(want)) {
			return bytes.TrimSpace(value), true
		}
	}
	return nil, false
}

// mediaType is a Content-Type without its parameters.
func mediaType(contentType []byte) []byte {
	t, _, _ := bytes.Cut(contentType, []byte{';'})
	return bytes.TrimSpace(t)
}

// malformed answers what fasthttp could not read as a request. The answer does
// not repeat it: it may hold a key.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	conn, _ := ctx.Conn().(*callers.Conn)
	var small *fasthttp.ErrSmallBuffer
	var netErr net.Error
	var fault *wire.Fault
	if conn != nil && conn.Refused() {
		_ = conn.Close() // no answer is possible; TLS has sent an alert
		return
	}
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		fault = s.tooLarge(ctx)
	case errors.As(err, &small):
		fault = wire.Faultf(codeHeadTooLarge, "the request line and headers exceed %d bytes", headSize)
	case errors.As(err, &netErr) && netErr.Timeout():
		if conn != nil {
			if doing, _ := conn.State(); doing == callers.New {
				_ = conn.Close() // there is no request to answer
				return
			}
		}
		fault = wire.Faultf(codeTimeout, "the request was not complete within %v", s.config.ReadTimeout)
	default:
		fault = wire.Faultf(codeBadRequest, "not an HTTP/1.1 request")
	}
	s.fail(ctx, fault)
	s.shareAnswer(ctx)
	ctx.SetConnectionClose()
	if conn != nil {
		conn.Linger()
	}
	s.count(nil, ctx.Response.StatusCode(), 0)
}

func (s *Server) tooLarge(ctx *fasthttp.RequestCtx) *wire.Fault {
	size := "exceeds"
	if n := ctx.Request.Header.ContentLength(); n > 0 {
		size = fmt.Sprintf("has %d bytes, which exceeds", n)
	}
	return wire.Faultf(codeBodyTooLarge, "the body %s the limit of %d bytes (control-max-body)", size, s.limits.Load().MaxBody)
}
