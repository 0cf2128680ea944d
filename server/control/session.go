package control

import (
	"context"
	"encoding/json"
	"log/slog"

	"castgate/server/internal/audit"
)

// changeSession is a gateway's PutSession or PatchSession.
type changeSession func(ctx context.Context, clientID string, object json.RawMessage) (json.RawMessage, error)

// putSession and patchSession are requests: the path names the client, the body
// is the object.
func (c *call) putSession() error   { return c.sessionRequest((*call).setSession) }
func (c *call) patchSession() error { return c.sessionRequest((*call).mergeSession) }

func (c *call) sessionRequest(change func(*call) error) (err error) {
	c.command.ClientID = c.clientID
	if c.command.Session, err = c.command.CheckObject(c.http.Request.Body()); err != nil {
		return err
	}
	if err := change(c); err != nil {
		return err
	}
	c.answer(jsonType)
	return nil
}

// setSession and mergeSession are the same as commands of a batch.
func (c *call) setSession() error { return c.session("put_session", c.server.gateway.PutSession) }
func (c *call) mergeSession() error {
	return c.session("patch_session", c.server.gateway.PatchSession)
}

func (c *call) session(action string, change changeSession) error {
	stored, err := change(c.ctx, c.command.ClientID, c.command.Session)
	if err != nil {
		return err
	}
	if c.server.audit.On() {
		c.did(action, slog.String("client_id", audit.Name(c.command.ClientID)), slog.Int("bytes", len(stored)))
	}
	c.out = append(c.out, stored...)
	return nil
}
