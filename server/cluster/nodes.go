package cluster

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"castgate/server/gateway"
)

// Nodes implements gateway.Cluster.
func (n *Node) Nodes() []gateway.NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.clock()
	own := gateway.NodeInfo{
		Node: n.self.Node, Instance: fmt.Sprintf("%012x", n.self.Instance), Address: n.address, Version: n.config.Release,
		State: "self", Lease: duration(n.leaseLeft(now)), Clients: int(n.clients),
	}
	list := []gateway.NodeInfo{own}
	for m, p := range n.peers {
		ahead := time.Duration(p.beat.Wall - n.wall() + (now - p.heardAt))
		list = append(list, gateway.NodeInfo{
			Node: m.Node, Instance: fmt.Sprintf("%012x", m.Instance), Address: p.beat.Address, Version: p.beat.Release,
			State: n.state(p, now), Age: duration(now - p.heardAt), Lease: duration(p.leaseUntil - now),
			Clients: int(p.beat.Clients), Lag: duration(p.lag), Clock: ahead,
		})
	}
	slices.SortFunc(list, func(a, b gateway.NodeInfo) int {
		if a.Node != b.Node {
			return int(a.Node) - int(b.Node)
		}
		return int(a.Age - b.Age)
	})
	return list
}

// addStats adds the statistics of another node: numbers and maps of numbers are
// summed, the lag is the larger one, all else stays.
func addStats(sum, other *gateway.Stats) {
	to, from := reflect.ValueOf(sum).Elem(), reflect.ValueOf(other).Elem()
	for i := range to.NumField() {
		a, b := to.Field(i), from.Field(i)
		switch a.Kind() {
		case reflect.Int:
			a.SetInt(a.Int() + b.Int())
		case reflect.Uint64:
			a.SetUint(a.Uint() + b.Uint())
		case reflect.Int64: // a time.Duration
			a.SetInt(max(a.Int(), b.Int()))
		case reflect.Map:
			if a.IsNil() {
				a.Set(reflect.MakeMap(a.Type()))
			}
			for key, v := range b.Seq2() {
				old := uint64(0)
				if have := a.MapIndex(key); have.IsValid() {
					old = have.Uint()
				}
				a.SetMapIndex(key, reflect.ValueOf(old+v.Uint()))
			}
		}
	}
}
