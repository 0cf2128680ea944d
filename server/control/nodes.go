package control

import (
	"strconv"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// nodes serves GET /v1/nodes: none where there is no cluster.
func (c *call) nodes() error {
	var list []gateway.NodeInfo
	if c.server.cluster != nil {
		list = c.server.cluster.Nodes()
	}
	c.out = append(c.out, `{"nodes":[`...)
	for i := range list {
		if i > 0 {
			c.out = append(c.out, ',')
		}
		c.out = appendNode(c.out, &list[i])
	}
	c.out = append(c.out, "]}"...)
	c.answer(jsonType)
	return nil
}

func appendNode(dst []byte, n *gateway.NodeInfo) []byte {
	dst = appendInt(dst, `{"node":`, n.Node)
	dst = wire.AppendString(append(dst, `,"instance":`...), n.Instance)
	dst = wire.AppendString(append(dst, `,"address":`...), n.Address)
	dst = wire.AppendString(append(dst, `,"version":`...), n.Version)
	dst = wire.AppendString(append(dst, `,"state":`...), n.State)
	dst = appendSeconds(append(dst, `,"age_seconds":`...), n.Age.Seconds())
	dst = appendSeconds(append(dst, `,"lease_seconds":`...), n.Lease.Seconds())
	dst = appendInt(dst, `,"clients":`, n.Clients)
	dst = appendSeconds(append(dst, `,"lag_seconds":`...), n.Lag.Seconds())
	dst = appendSeconds(append(dst, `,"clock_difference_seconds":`...), n.Clock.Seconds())
	return append(dst, '}')
}

func appendSeconds(dst []byte, s float64) []byte { return strconv.AppendFloat(dst, s, 'f', 6, 64) }

// readStats takes a parameter of GET /v1/stats.
func (q *query) readStats(name, value string) error {
	if name != "cluster" {
		return unknownParameter(name, "cluster")
	}
	if value != "0" && value != "1" {
		return wire.Faultf(codeInvalidParameter, "cluster is %.32q; it must be 0 or 1", value)
	}
	q.clusterWide = value == "1"
	return nil
}
