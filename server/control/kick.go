package control

import (
	"log/slog"

	"castgate/server/gateway"
)

func (c *call) kick() error {
	m := &c.command
	n, err := c.server.gateway.Kick(c.ctx, gateway.Kick{
		To: *m.Targets(), ExcludeClientIDs: m.ExcludeClientIDs, ExcludeUIDs: m.ExcludeUIDs,
		Code: uint16(m.Code), Reason: m.Reason, Text: m.Text,
	})
	if err := c.whole(err); err != nil {
		return err
	}
	if c.server.audit.On() {
		attrs := auditTargets(m.Targets())
		if excluded := len(m.ExcludeClientIDs) + len(m.ExcludeUIDs); excluded > 0 {
			attrs = append(attrs, slog.Int("excluded", excluded))
		}
		c.did("kick", append(attrs, slog.Int("code", max(m.Code, 1000)), slog.Int("kicked", n))...)
	}
	c.out = appendInt(c.out, `{"kicked":`, n)
	c.end()
	return nil
}
