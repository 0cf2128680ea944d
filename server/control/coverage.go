package control

import (
	"strconv"

	"castgate/server/gateway"
)

// whole takes from the error of a verb that its answer lacks nodes; end tells the
// caller. All other errors stay.
func (c *call) whole(err error) error {
	c.lacking = nil
	hole, ok := err.(*gateway.Incomplete)
	if !ok {
		return err
	}
	c.lacking = hole
	return nil
}

// end ends the object of an answer. In a cluster it says whether all nodes are in it.
func (c *call) end() {
	if c.server.cluster == nil {
		c.out = append(c.out, '}')
		return
	}
	if c.lacking == nil {
		c.out = append(c.out, `,"complete":true}`...)
		return
	}
	c.out = append(c.out, `,"complete":false,"unreachable":[`...)
	for i, node := range c.lacking.Unreachable {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = strconv.AppendUint(c.out, uint64(node), 10)
	}
	c.out = append(c.out, "]}"...)
}
