package control

import (
	"log/slog"

	"castgate/server"
)

func (c *call) kick() error {
	m := &c.command
	n, err := c.server.gateway.Kick(c.ctx, server.Kick{To: m.Top, Code: uint16(m.Code), Reason: m.Reason, Text: m.Text})
	if err != nil {
		return err
	}
	if c.server.audit.On() {
		c.did("kick", append(auditTargets(&m.Top), slog.Int("code", max(m.Code, 1000)), slog.Int("kicked", n))...)
	}
	c.out = append(appendInt(c.out, `{"kicked":`, n), '}')
	return nil
}
