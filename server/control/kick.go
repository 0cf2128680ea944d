package control

import "castgate/server"

func (c *call) kick() error {
	m := &c.command
	n, err := c.server.gateway.Kick(c.ctx, server.Kick{To: m.Top, Code: uint16(m.Code), Reason: m.Reason, Text: m.Text})
	if err != nil {
		return err
	}
	c.out = append(appendInt(c.out, `{"kicked":`, n), '}')
	return nil
}
