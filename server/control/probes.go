package control

import "github.com/valyala/fasthttp"

// serveLive answers 200 as long as the process answers at all.
func serveLive(_ *Server, ctx *fasthttp.RequestCtx, _ string) {
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("ok\n")
}

// serveReady answers 503 while clients are not taken: before the start is done
// and from the beginning of a shutdown.
func serveReady(s *Server, ctx *fasthttp.RequestCtx, _ string) {
	ctx.SetContentType("text/plain; charset=utf-8")
	if s.config.Ready != nil && !s.config.Ready() {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		ctx.SetBodyString("not ready\n")
		return
	}
	ctx.SetBodyString("ready\n")
}
