package control

import "castgate/server/control/internal/wire"

// live serves GET /livez: 200 as long as the process answers at all.
func (c *call) live() error {
	c.out = append(c.out, `{"status":"live"}`...)
	c.answer(jsonType)
	return nil
}

// ready serves GET /readyz: 503 before the start is done and from the
// beginning of a shutdown.
func (c *call) ready() error {
	if ready := c.server.config.Ready; ready != nil && !ready() {
		return &wire.Fault{Code: codeNotReady, Detail: "the gateway is not accepting clients"}
	}
	c.out = append(c.out, `{"status":"ready"}`...)
	c.answer(jsonType)
	return nil
}
