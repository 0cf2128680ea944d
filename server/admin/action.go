package admin

import (
	"context"
	"log/slog"
	"net/http"

	"castgate/server/control/access"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

// action is a verb of the control API that the page may call. Its body is as there, less
// what the page does not need.
type action struct {
	scope access.Scope
	run   func(ctx context.Context, gw gateway.Gateway, b *body) (answer any, err error)
}

// body is the body of an action.
type body struct {
	To        *names   `json:"to"`
	Text      string   `json:"text"`
	ClientID  string   `json:"client_id"`
	UID       string   `json:"uid"`
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
	Code      uint16   `json:"code"`
	Reason    string   `json:"reason"`
}

type names struct {
	ClientIDs []string `json:"client_ids"`
	UIDs      []string `json:"uids"`
	Groups    []string `json:"groups"`
	All       bool     `json:"all"`
}

// actions are by the last part of their path, in /v1 as in /api.
var actions = map[string]action{
	"push":  {access.ScopePush, push},
	"kick":  {access.ScopeManage, kick},
	"bind":  {access.ScopeManage, bind},
	"join":  {access.ScopeManage, join},
	"leave": {access.ScopeManage, leave},
}

// act serves an action.
func (s *Server) act(w http.ResponseWriter, c *call, name string, a action) error {
	if c.key.Scopes&a.scope == 0 {
		return refused(http.StatusForbidden, "forbidden", "the key "+c.key.Name+" has the scope "+c.key.Scopes.String()+"; "+name+" needs "+a.scope.String())
	}
	var b body
	if err := readJSON(c.Request, &b); err != nil {
		return err
	}
	ctx, done := c.ctx()
	defer done()
	answer, err := a.run(ctx, s.config.Gateway, &b)
	missing, err := partly(err)
	if s.audit.On() {
		s.audit.Write(slog.LevelInfo, name, c.key.Name, from(c.Request), append(b.attrs(err), c.key.Attrs()...)...)
	}
	if err != nil {
		return err
	}
	if fields, ok := answer.(map[string]any); ok && missing != nil {
		fields["unreachable"] = missing
	}
	return writeJSON(w, answer)
}

// attrs are what the audit log says of an action: names, never a message.
func (b *body) attrs(err error) []slog.Attr {
	list := []slog.Attr{slog.String("via", "admin")}
	if b.To != nil {
		b.ClientIDs, b.UIDs, b.Groups = b.To.ClientIDs, b.To.UIDs, b.To.Groups
		if b.To.All {
			list = append(list, slog.Bool("all", true))
		}
	}
	if b.ClientID != "" {
		list = append(list, slog.String("client_id", audit.Name(b.ClientID)))
	}
	if b.UID != "" {
		list = append(list, slog.String("uid", audit.Name(b.UID)))
	}
	for _, l := range []struct {
		name  string
		names []string
	}{{"client_ids", b.ClientIDs}, {"uids", b.UIDs}, {"groups", b.Groups}} {
		if len(l.names) > 0 {
			list = append(list, slog.Any(l.name, audit.List(l.names)))
		}
	}
	if err != nil {
		list = append(list, slog.String("refused", problemOf(err).Code))
	}
	return list
}

var errNoTarget = refused(http.StatusBadRequest, "no_target", "name at least one client, uid or group")

// push waits for the deliveries, so that the page can say what became of them.
func push(ctx context.Context, gw gateway.Gateway, b *body) (any, error) {
	if b.To == nil || len(b.To.ClientIDs)+len(b.To.UIDs)+len(b.To.Groups) == 0 && !b.To.All {
		return nil, errNoTarget
	}
	r, err := gw.Push(ctx, gateway.Push{
		To:      gateway.Targets{ClientIDs: b.To.ClientIDs, UIDs: b.To.UIDs, Groups: b.To.Groups, All: b.To.All},
		Payload: []byte(b.Text), Wait: true,
	})
	return map[string]any{"matched": r.Matched, "queued": r.Queued, "dropped": r.Dropped, "written": r.Written}, err
}

func kick(ctx context.Context, gw gateway.Gateway, b *body) (any, error) {
	if len(b.ClientIDs)+len(b.UIDs)+len(b.Groups) == 0 {
		return nil, errNoTarget
	}
	n, err := gw.Kick(ctx, gateway.Kick{
		To: gateway.Targets{ClientIDs: b.ClientIDs, UIDs: b.UIDs, Groups: b.Groups}, Code: b.Code, Reason: b.Reason, Text: b.Text,
	})
	return map[string]any{"kicked": n}, err
}

func bind(ctx context.Context, gw gateway.Gateway, b *body) (any, error) {
	r, err := gw.Bind(ctx, gateway.Bind{ClientID: b.ClientID, UID: b.UID, Groups: b.Groups})
	return map[string]any{"previous_uid": r.PreviousUID}, err
}

func join(ctx context.Context, gw gateway.Gateway, b *body) (any, error) {
	return membership(gw.Join(ctx, gateway.Membership{ClientIDs: b.ClientIDs, UIDs: b.UIDs, Groups: b.Groups}))
}

func leave(ctx context.Context, gw gateway.Gateway, b *body) (any, error) {
	return membership(gw.Leave(ctx, gateway.Membership{ClientIDs: b.ClientIDs, UIDs: b.UIDs, Groups: b.Groups}))
}

func membership(r gateway.MembershipResult, err error) (any, error) {
	return map[string]any{"changed": r.Changed, "unknown_client_ids": orEmpty(r.UnknownClientIDs)}, err
}
