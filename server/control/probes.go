package control

import "castgate/server/control/internal/wire"

// live serves GET /livez: 200 as long as the process can answer.
func (c *call) live() error {
	c.out = append(c.out, `{"status":"live"}`...)
	c.answer(jsonType)
	return nil
}

// ready serves GET /readyz: 503 until the start is complete and once a shutdown
// has begun.
func (c *call) ready() error {
	if ready := c.server.config.Ready; ready != nil && !ready() {
		return &wire.Fault{Code: codeNotReady, Detail: "the gateway is not accepting clients"}
	}
	c.out = append(c.out, `{"status":"ready"}`...)
	c.answer(jsonType)
	return nil
}
