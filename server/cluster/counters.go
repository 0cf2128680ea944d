package cluster

import (
	"sync"
	"sync/atomic"

	"castgate/server/cluster/internal/message"
)

// counters count what metrics tell.
type counters struct {
	traffic    [16]traffic   // by kind
	views      atomic.Uint64 // changes of the view
	incomplete atomic.Uint64 // answers
	late       atomic.Uint64 // replies after the end of their call
	unsent     atomic.Uint64 // messages that the transport did not take
	spared     atomic.Uint64 // questions that were not asked of nodes without such names
	waits      atomic.Uint64 // changes that have waited until others had heard of the names
	waited     atomic.Uint64 // for how long, in nanoseconds
	resyncs    atomic.Uint64 // times that names of another node were missing

	mu       sync.Mutex
	refused  map[string]uint64 // messages, by reason
	missings map[uint16]uint64 // incomplete answers, by node
}

// traffic is messages of one kind and their bytes.
type traffic struct{ sent, sentBytes, received, receivedBytes atomic.Uint64 }

func (c *counters) sent(kind message.Kind, size int) {
	t := &c.traffic[kind%16]
	t.sent.Add(1)
	t.sentBytes.Add(uint64(size))
}

func (c *counters) received(kind message.Kind, size int) {
	t := &c.traffic[kind%16]
	t.received.Add(1)
	t.receivedBytes.Add(uint64(size))
}

// refuse counts a message that was not taken.
func (c *counters) refuse(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]uint64{}
	}
	c.refused[reason]++
}

// missing counts an answer that lacks a node.
func (c *counters) missing(node uint16) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.missings == nil {
		c.missings = map[uint16]uint64{}
	}
	if _, known := c.missings[node]; known || len(c.missings) < 4*message.MaxMembers {
		c.missings[node]++
	}
}
