package control

import (
	"log/slog"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

func (c *call) bind() error {
	m := &c.command
	r, err := c.server.gateway.Bind(c.ctx, gateway.Bind{ClientID: m.ClientID, UID: m.UID, Groups: m.Top.Groups, KickOld: m.KickOld})
	if err := c.whole(err); err != nil {
		return err
	}
	if r.Kicked > 0 && c.server.audit.On() {
		c.did("bind", slog.String("client_id", audit.Name(m.ClientID)), slog.String("uid", audit.Name(m.UID)), slog.Int("kicked", r.Kicked))
	}
	c.out = appendNullable(append(c.out, `{"previous_uid":`...), r.PreviousUID)
	c.out = appendInt(c.out, `,"kicked":`, r.Kicked)
	c.end()
	return nil
}

// unbind answers in the same form for a client and for uids: how many clients
// had a uid and, for a client, which.
func (c *call) unbind() (err error) {
	m, r, unbound := &c.command, gateway.BindResult{}, 0
	if m.Has&wire.FieldUIDs != 0 {
		unbound, err = c.server.gateway.UnbindUIDs(c.ctx, m.Top.UIDs)
	} else if r, err = c.server.gateway.Unbind(c.ctx, m.ClientID); r.PreviousUID != "" {
		unbound = 1
	}
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendNullable(append(c.out, `{"previous_uid":`...), r.PreviousUID)
	c.out = appendInt(c.out, `,"unbound":`, unbound)
	c.end()
	return nil
}

func (c *call) join() error {
	r, err := c.server.gateway.Join(c.ctx, c.membership())
	return c.changed(r, err)
}

func (c *call) leave() error {
	r, err := c.server.gateway.Leave(c.ctx, c.membership())
	return c.changed(r, err)
}

func (c *call) membership() gateway.Membership {
	t := &c.command.Top
	return gateway.Membership{ClientIDs: t.ClientIDs, UIDs: t.UIDs, Groups: t.Groups}
}

func (c *call) changed(r gateway.MembershipResult, err error) error {
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendInt(c.out, `{"changed":`, r.Changed)
	c.out = wire.AppendStrings(append(c.out, `,"unknown_client_ids":`...), r.UnknownClientIDs)
	c.end()
	return nil
}

func (c *call) ungroup() error {
	n, err := c.server.gateway.Ungroup(c.ctx, c.command.Top.Groups)
	if err := c.whole(err); err != nil {
		return err
	}
	c.out = appendInt(c.out, `{"changed":`, n)
	c.end()
	return nil
}
