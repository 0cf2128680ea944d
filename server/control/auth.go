package control

import (
	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/callers"
	"castgate/server/control/internal/wire"
)

var (
	errNetwork  = &wire.Fault{Code: codeForbidden, Detail: "requests from this address are no longer accepted (control-allow)"}
	errMadeRoom = &wire.Fault{Code: codeTooManyConns, Detail: "the request was not executed: its connection is being closed to make room for another, or because the gateway stops"}
	errCrowded  = &wire.Fault{Code: codeTooManyConns, Detail: "all control connections are busy, or this caller already has its share of them (control-max-conns)"}
)

// strangerBody is the largest request body, in bytes, that is read from a
// caller without a valid key: strangers must not fill memory.
const strangerBody = 4 << 10

// notRead is a header field that marks a request whose body is left unread. No
// caller can send it, because of its colon.
const notRead = "Not-Read:"

// chunked is fasthttp's length of a chunked body.
const chunked = -1

// requestConfig is fasthttp's HeaderReceived hook: before the body it decides
// whether the body is read and how large it may be, since fasthttp's own limit
// is fixed. An unread body ends the connection, and a caller that waits to be
// asked for it (Expect) is not asked.
func (s *Server) requestConfig(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	most := s.limits.Load().MaxBody
	n, asks := h.ContentLength(), len(h.Peek(fasthttp.HeaderExpect)) > 0
	if asks || n == chunked || n > min(most, strangerBody) {
		if _, err := s.access.Load().Check(h, s.local); err != nil {
			h.Set(notRead, "1")
			h.SetContentLength(0)
			h.SetConnectionClose()
			h.Del(fasthttp.HeaderExpect)
		} else if asks && n > most {
			h.Del(fasthttp.HeaderExpect) // makes fasthttp refuse it
		}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: most}
}

// bodyNotRead reports whether requestConfig left the body unread.
func bodyNotRead(h *fasthttp.RequestHeader) bool {
	return h.ConnectionClose() && len(h.Peek(notRead)) > 0
}

// letIn authorizes the caller and audits refusals. An authorized caller keeps
// the connection.
func (r *incoming) letIn() error {
	conn, _ := r.http.Conn().(*callers.Conn)
	if err := r.authorize(conn); err != nil {
		if conn != nil {
			conn.KeepOut()
		}
		r.refused(err)
		return err
	}
	if conn == nil {
		return nil
	}
	switch err := conn.LetIn(r.caller.Name, r.server.access.Load().Keys()); err {
	case nil:
		return nil
	case callers.ErrMadeRoom:
		r.http.SetConnectionClose()
		return errMadeRoom
	default:
		r.http.SetConnectionClose()
		return errCrowded
	}
}

// authorize identifies the caller and refuses those without access.
func (r *incoming) authorize(conn *callers.Conn) (err error) {
	checker := r.server.access.Load()
	if conn != nil && !checker.Allows(conn.Addr()) {
		r.http.SetConnectionClose() // accepted before control-allow changed
		return errNetwork
	}
	h := &r.http.Request.Header
	if r.caller, err = checker.Check(h, r.server.local); err == nil && bodyNotRead(h) {
		err = access.ErrWrongKey // it became valid after its head was received
	}
	if err != nil || r.route == nil {
		return err
	}
	if r.caller.Scopes&r.route.scope == r.route.scope {
		return nil
	}
	return r.allowed(r.route.scope, r.route.method+" "+r.route.path)
}

// allowed refuses what the caller's key has no right to do.
func (r *incoming) allowed(scope access.Scope, what string) error {
	if r.caller.Scopes&scope == scope {
		return nil
	}
	return wire.Faultf(codeForbidden, "the key %s has the scope %s; %s needs %s", r.caller.Name, r.caller.Scopes, what, scope)
}

// SetAccess changes who may use the port for every request from now on,
// including those on open connections. On an error, which names the setting,
// nothing changes. It may be called from any goroutine.
func (s *Server) SetAccess(a access.Access) error {
	c := s.config
	c.Access = a
	if err := c.Validate(); err != nil {
		return err
	}
	if s.exposed && !a.Keyed() {
		return c.errExposed()
	}
	s.access.Store(access.NewChecker(a))
	return nil
}
