package control

import (
	"github.com/valyala/fasthttp"

	"castgate/server/control/internal/wire"
)

// The answer to a preflight, except for the origin and the methods.
const (
	corsHeaders = "Authorization, Content-Type, X-API-Key"
	corsExposed = "Allow, Retry-After, WWW-Authenticate"
	corsMaxAge  = "600" // seconds; the removal of an origin takes effect within that
)

const (
	headerRequestMethod = "Access-Control-Request-Method"
	preflightVary       = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
)

// preflight reports whether a request is a CORS preflight (Fetch standard): a
// browser asking whether a page may make another request. Browsers send no key
// with it.
func preflight(ctx *fasthttp.RequestCtx) bool {
	h := &ctx.Request.Header
	return ctx.IsOptions() && len(h.Peek(fasthttp.HeaderOrigin)) > 0 && len(h.Peek(headerRequestMethod)) > 0
}

// anyMethod answers a preflight of an unknown path: the page can read the 404,
// which may suggest the right path, only if its browser goes on to send the
// request.
const anyMethod = "GET, PATCH, POST, PUT"

// answerPreflight says what pages of the origin may do; nothing is executed.
// methods are those of the path.
func (r *incoming) answerPreflight(methods string) error {
	ctx := r.http
	if !r.server.access.Load().Lets(ctx.Request.Header.Peek(fasthttp.HeaderOrigin)) {
		return errOrigin
	}
	h := &ctx.Response.Header
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	ctx.SetStatusCode(fasthttp.StatusNoContent)
	return nil
}

var errOrigin = &wire.Fault{Code: codeBrowser, Detail: "pages of this origin may not call the control API: " +
	"the gateway needs control keys, and control-cors-origins must contain the origin"}

// shareAnswer lets the page that sent the request read the answer, whatever it
// is, if its origin may. The browser's own credentials are never requested: the
// key is the page's own.
func (s *Server) shareAnswer(ctx *fasthttp.RequestCtx) {
	access := s.access.Load()
	if !access.Shares() {
		return
	}
	h := &ctx.Response.Header
	vary := fasthttp.HeaderOrigin
	if ctx.IsOptions() {
		vary = preflightVary
	}
	h.Set(fasthttp.HeaderVary, vary)
	if origin := ctx.Request.Header.Peek(fasthttp.HeaderOrigin); len(origin) > 0 && access.Lets(origin) {
		h.SetBytesV("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
}
