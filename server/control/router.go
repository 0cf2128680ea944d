package control

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"castgate/server/control/access"
	"castgate/server/control/internal/wire"
)

// bodyKind says which body a route accepts.
type bodyKind int

const (
	noBody    bodyKind = iota
	jsonBody           // JSON, by any of its media types
	batchBody          // that or NDJSON
	anyBody            // bytes of any media type
)

// route is a path with a method.
type route struct {
	method string
	path   string // {client_id} stands for a segment
	open   bool   // needs no key
	// scope is the required right; zero if each command is checked by itself.
	scope access.Scope
	body  bodyKind
	// parameter reads a parameter of the query; nil if the route has none.
	// lenient routes ignore the query.
	parameter func(c *call, name, value string) error
	lenient   bool
	run       func(c *call) error
	index     int // in router.routes
}

// routes lists every route; the OpenAPI document lists the same.
func routes() []*route {
	list := []*route{
		{method: "POST", path: "/v1/push/raw", scope: access.ScopePush, body: anyBody, parameter: rawParameter, run: (*call).pushRaw},
		{method: "POST", path: "/v1/batch", body: batchBody, run: (*call).batch},
		{method: "GET", path: "/v1/stats", scope: access.ScopeRead, parameter: inQuery((*query).readStats), run: (*call).stats},
		{method: "GET", path: "/v1/explain", scope: access.ScopeRead, parameter: inQuery((*query).readExplain), run: (*call).explain},
		{method: "GET", path: "/v1/nodes", scope: access.ScopeRead, run: (*call).nodes},
		{method: "GET", path: "/v1/clients", scope: access.ScopeRead, parameter: inQuery((*query).readList), run: listClients},
		{method: "GET", path: "/v1/uids", scope: access.ScopeRead, parameter: inQuery((*query).readList), run: listUIDs},
		{method: "GET", path: "/v1/groups", scope: access.ScopeRead, parameter: inQuery((*query).readList), run: listGroups},
		{method: "GET", path: "/v1/clients/{client_id}", scope: access.ScopeRead, run: (*call).client},
		{method: "PUT", path: "/v1/clients/{client_id}/session", scope: access.ScopeManage, body: jsonBody, run: (*call).putSession},
		{method: "PATCH", path: "/v1/clients/{client_id}/session", scope: access.ScopeManage, body: jsonBody, run: (*call).patchSession},
		{method: "GET", path: "/v1/events", scope: access.ScopeRead, parameter: inQuery((*query).readEvents), run: (*call).listEvents},
		{method: "GET", path: "/v1/events/dead", scope: access.ScopeRead, run: (*call).deadEvents},
		{method: "POST", path: "/v1/events/replay", scope: access.ScopeManage, parameter: inQuery((*query).readReplay), run: (*call).replayEvents},
		{method: "POST", path: "/v1/reload", scope: access.ScopeManage, run: (*call).reload},
		{method: "GET", path: "/v1/openapi.json", open: true, run: (*call).openAPI},
		{method: "GET", path: "/livez", open: true, lenient: true, run: (*call).live},
		{method: "GET", path: "/readyz", open: true, lenient: true, run: (*call).ready},
		{method: "GET", path: "/metrics", scope: access.ScopeRead, lenient: true, run: (*call).scrape},
	}
	for _, v := range verbs {
		if v.path != "" {
			list = append(list, &route{method: "POST", path: v.path, scope: v.scope, body: jsonBody, run: v.single})
		}
	}
	for i, r := range list {
		r.index = i
	}
	return list
}

// resource is a path with its methods.
type resource struct {
	path   string
	routes []*route
	allow  string // the Allow header's value
}

// route returns the route for the request's method, nil if there is none.
func (r *resource) route(ctx *fasthttp.RequestCtx) *route {
	method := ctx.Method()
	for _, one := range r.routes {
		if string(method) == one.method || one.method == "GET" && ctx.IsHead() {
			return one
		}
	}
	return nil
}

// router finds the resource of a path.
type router struct {
	routes []*route
	fixed  map[string]*resource
	// client and session are below /v1/clients/.
	client, session *resource
}

const (
	clientPath  = "/v1/clients/{client_id}"
	sessionPath = clientPath + "/session"
)

var (
	clientPrefix  = []byte("/v1/clients/")
	sessionSuffix = []byte("/session")
)

func newRouter() *router {
	r := &router{routes: routes(), fixed: map[string]*resource{}}
	for _, one := range r.routes {
		res := r.fixed[one.path]
		if res == nil {
			res = &resource{path: one.path}
			r.fixed[one.path] = res
		}
		res.routes = append(res.routes, one)
	}
	for _, res := range r.fixed {
		methods := []string{"OPTIONS"}
		for _, one := range res.routes {
			if methods = append(methods, one.method); one.method == "GET" {
				methods = append(methods, "HEAD")
			}
		}
		slices.Sort(methods)
		res.allow = strings.Join(methods, ", ")
	}
	r.client, r.session = r.fixed[clientPath], r.fixed[sessionPath]
	delete(r.fixed, clientPath)
	delete(r.fixed, sessionPath)
	return r
}

var errNotFound = &wire.Fault{Code: codeNotFound, Detail: "no such path; /v1/openapi.json lists all paths"}

// notFound suggests the path that may have been meant: without extra slashes,
// in lower case, or below /v1.
func (r *router) notFound(path []byte) error {
	const longest = 128
	if len(path) > longest {
		return errNotFound
	}
	parts := strings.FieldsFunc(strings.ToLower(string(path)), func(c rune) bool { return c == '/' })
	slip := "/" + strings.Join(parts, "/")
	for _, meant := range []string{slip, "/v1" + slip} {
		res := r.fixed[meant]
		if rest, ok := strings.CutPrefix(meant, string(clientPrefix)); ok && res == nil {
			switch _, below, deeper := strings.Cut(rest, "/"); {
			case !deeper:
				res = r.client
			case "/"+below == string(sessionSuffix):
				res = r.session
			}
		}
		if res != nil {
			return wire.Faultf(codeNotFound, "no such path; did you mean %s?", res.path)
		}
	}
	return errNotFound
}

// find returns the resource of a path as received, still encoded, and the
// client id in it.
func (r *router) find(path []byte, clientID *string) (*resource, error) {
	if res := r.fixed[string(path)]; res != nil {
		return res, nil
	}
	rest, ok := bytes.CutPrefix(path, clientPrefix)
	if !ok {
		return nil, r.notFound(path)
	}
	res := r.client
	if id, ok := bytes.CutSuffix(rest, sessionSuffix); ok {
		res, rest = r.session, id
	}
	if len(rest) == 0 || bytes.IndexByte(rest, '/') >= 0 {
		return nil, r.notFound(path)
	}
	id, err := url.PathUnescape(string(rest))
	if err != nil {
		return nil, wire.Faultf(codeBadRequest, "the client id in the path is not valid percent-encoding (RFC 3986)")
	}
	*clientID = id
	return res, nil
}
