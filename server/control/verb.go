package control

import (
	"context"

	"github.com/valyala/fasthttp"

	"castgate/server"
)

// call is one command on its way through a verb.
type call struct {
	server  *Server
	ctx     context.Context
	gateway server.Gateway
	body    []byte // a JSON object; strings taken from it may point into it
	// inBatch: the body has a field op, and client_id for session commands.
	inBatch bool
	out     []byte // the answer is appended here
}

// verb carries out a command: an error is a *problem or a *server.Error.
type verb func(c *call) error

// verbs by their name in a path or in a batch's op.
var verbs = map[string]verb{
	"bind": bind, "unbind": unbind, "join": join, "leave": leave, "ungroup": ungroup,
	"push": push, "kick": kick, "online": online, "counts": counts,
	"put_session": putSession, "patch_session": patchSession,
}

// singleVerbs are those that have the path /v1/<name>.
var singleVerbs = []string{"bind", "unbind", "join", "leave", "ungroup", "push", "kick", "online", "counts"}

// batched is a command's body within a batch.
type batched[T any] struct {
	Op string `json:"op"`
	In T      `json:",embed"`
}

// input decodes a call's body into T.
func input[T any](c *call) (T, error) {
	if c.inBatch {
		var v batched[T]
		err := decode(c.body, &v)
		return v.In, err
	}
	var v T
	err := decode(c.body, &v)
	return v, err
}

// serveVerb answers a request that is one command.
func (s *Server) serveVerb(ctx *fasthttp.RequestCtx, v verb) {
	c := call{server: s, ctx: s.base, gateway: s.gateway, body: ctx.PostBody()}
	err := v(&c)
	s.finish(ctx, &c, err)
}

// finish writes the answer of a verb.
func (s *Server) finish(ctx *fasthttp.RequestCtx, c *call, err error) {
	if err != nil {
		writeProblem(ctx, asProblem(err))
		return
	}
	ctx.SetContentType("application/json")
	ctx.Response.SetBodyRaw(c.out)
}

// deadline answers the context of a command that waits: it ends after
// RequestTimeout or when the port shuts down. Only commands that wait pay for
// the timer.
func (c *call) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.ctx, c.server.config.RequestTimeout)
}
