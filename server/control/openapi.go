package control

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

// openAPI is the OpenAPI 3.1 document of this port; a test holds it against
// the routes and the verbs.
//
//go:embed openapi.json
var openAPI []byte

func serveOpenAPI(_ *Server, ctx *fasthttp.RequestCtx, _ string) {
	ctx.SetContentType("application/json")
	ctx.Response.SetBodyRaw(openAPI)
}
