package control

import (
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// route is one path and method. path ends in {client_id} or has it as a
// segment where the value stands.
type route struct {
	method string
	path   string
	open   bool // needs no key
	body   bool // has one
	raw    bool // of any content type
	ndjson bool // application/x-ndjson too
	serve  func(s *Server, ctx *fasthttp.RequestCtx, pathValue string)
}

const pathParameter = "{client_id}"

// routes are all there are; the OpenAPI document lists the same.
func routes() []*route {
	list := []*route{
		{method: "POST", path: "/v1/push/raw", body: true, raw: true, serve: servePushRaw},
		{method: "POST", path: "/v1/batch", body: true, ndjson: true, serve: serveBatch},
		{method: "GET", path: "/v1/stats", serve: serveStats},
		{method: "GET", path: "/v1/clients", serve: serveClients},
		{method: "GET", path: "/v1/clients/" + pathParameter, serve: serveClient},
		{method: "PUT", path: "/v1/clients/" + pathParameter + "/session", body: true, serve: servePutSession},
		{method: "PATCH", path: "/v1/clients/" + pathParameter + "/session", body: true, serve: servePatchSession},
		{method: "GET", path: "/v1/uids", serve: serveUIDs},
		{method: "GET", path: "/v1/groups", serve: serveGroups},
		{method: "GET", path: "/v1/openapi.json", serve: serveOpenAPI},
		{method: "GET", path: "/livez", open: true, serve: serveLive},
		{method: "GET", path: "/readyz", open: true, serve: serveReady},
		{method: "GET", path: "/metrics", serve: serveMetrics},
	}
	for _, name := range singleVerbs {
		v := verbs[name]
		list = append(list, &route{method: "POST", path: "/v1/" + name, body: true,
			serve: func(s *Server, ctx *fasthttp.RequestCtx, _ string) { s.serveVerb(ctx, v) }})
	}
	return list
}

// router finds the route of a request.
type router struct {
	exact map[string][]*route
	// withClient are the routes below /v1/clients/{client_id}, by what follows it.
	withClient map[string][]*route
}

const clientsPrefix = "/v1/clients/"

func newRouter() *router {
	r := &router{exact: map[string][]*route{}, withClient: map[string][]*route{}}
	for _, rt := range routes() {
		if rest, ok := strings.CutPrefix(rt.path, clientsPrefix+pathParameter); ok {
			r.withClient[rest] = append(r.withClient[rest], rt)
		} else {
			r.exact[rt.path] = append(r.exact[rt.path], rt)
		}
	}
	return r
}

// find answers the route, or the problem; a route may come with a problem that
// is only to be told to callers with a key.
func (r *router) find(ctx *fasthttp.RequestCtx) (*route, string, *problem) {
	path := string(ctx.URI().PathOriginal())
	list := r.exact[path]
	value := ""
	if rest, ok := strings.CutPrefix(path, clientsPrefix); list == nil && ok {
		id, tail, found := strings.Cut(rest, "/")
		if found {
			tail = "/" + tail
		}
		decoded, err := url.PathUnescape(id)
		if err == nil && id != "" {
			list, value = r.withClient[tail], decoded
		}
	}
	if list == nil {
		return nil, "", nil
	}
	method := string(ctx.Method())
	var allowed []string
	for _, rt := range list {
		if rt.method == method || rt.method == "GET" && method == "HEAD" {
			return rt, value, nil
		}
		allowed = append(allowed, rt.method)
	}
	slices.Sort(allowed)
	ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.Join(allowed, ", "))
	return list[0], value, problemMethod
}
