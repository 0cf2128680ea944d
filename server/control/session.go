package control

import (
	"context"
	stdjson "encoding/json"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/valyala/fasthttp"
)

type changeSession func(ctx context.Context, clientID string, object stdjson.RawMessage) (stdjson.RawMessage, error)

func servePutSession(s *Server, ctx *fasthttp.RequestCtx, id string) {
	s.serveSession(ctx, id, s.gateway.PutSession)
}

func servePatchSession(s *Server, ctx *fasthttp.RequestCtx, id string) {
	s.serveSession(ctx, id, s.gateway.PatchSession)
}

func (s *Server) serveSession(ctx *fasthttp.RequestCtx, id string, change changeSession) {
	c := call{server: s, ctx: s.base, gateway: s.gateway}
	s.finish(ctx, &c, c.changeSession(id, ctx.PostBody(), change))
}

// changeSession appends the session as it then is.
func (c *call) changeSession(id string, object []byte, change changeSession) error {
	value := jsontext.Value(object)
	if err := value.Compact(); err != nil {
		return decodeProblem(err)
	}
	stored, err := change(c.ctx, id, stdjson.RawMessage(value))
	if err == nil {
		c.out = append(c.out, stored...)
	}
	return err
}

// sessionBody is a session command of a batch.
type sessionBody struct {
	ClientID string         `json:"client_id"`
	Session  jsontext.Value `json:"session"`
}

func putSession(c *call) error   { return batchSession(c, c.gateway.PutSession) }
func patchSession(c *call) error { return batchSession(c, c.gateway.PatchSession) }

func batchSession(c *call, change changeSession) error {
	b, err := input[sessionBody](c)
	if err != nil {
		return err
	}
	if err := required("client_id", b.ClientID); err != nil {
		return err
	}
	if b.Session == nil {
		return badRequest("missing_field", "session is missing")
	}
	return c.changeSession(b.ClientID, b.Session, change)
}
