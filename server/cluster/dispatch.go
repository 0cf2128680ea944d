package cluster

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// carrier makes messages and hands them to the transport.
type carrier struct {
	config Config
	log    *slog.Logger
	self   message.Member
	seals  *message.Seals
	link   Transport
	clock  func() int64
	faults faults // of tests
	count  counters

	mu      sync.Mutex       // guards the state of the whole node
	told    map[string]int64 // when a complaint was logged last
	stopped bool
}

func newCarrier(c Config) *carrier {
	n := &carrier{
		config: c, log: c.Logger, self: message.Member{Node: c.Node, Instance: c.Instance}, link: c.Transport,
		clock: c.Clock, told: map[string]int64{},
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	var keys [][]byte
	for _, k := range c.Keys {
		keys = append(keys, k.seal)
	}
	n.seals = message.NewSeals(keys)
	return n
}

// make makes a message.
func (n *carrier) make(kind message.Kind, to uint64, body func([]byte) []byte) []byte {
	m := message.Begin(nil, message.Envelope{Version: message.Version, Kind: kind, From: n.self, To: to})
	return n.seals.Seal(body(m))
}

// send sends a message to one member.
func (n *carrier) send(to message.Member, kind message.Kind, body func([]byte) []byte) bool {
	return n.dispatch(to.Node, kind, n.make(kind, to.Instance, body))
}

// sendAll sends a message to everybody.
func (n *carrier) sendAll(kind message.Kind, body func([]byte) []byte) {
	n.dispatchAll(kind, n.make(kind, 0, body))
}

func (n *carrier) dispatchAll(kind message.Kind, m []byte) bool {
	if err := n.link.SendAll(m); err != nil {
		n.count.unsent.Add(1)
		return false
	}
	n.count.sent(kind, len(m))
	return true
}

func (n *carrier) dispatch(node uint16, kind message.Kind, m []byte) bool {
	if err := n.link.Send(node, m); err != nil {
		n.count.unsent.Add(1)
		return false
	}
	n.count.sent(kind, len(m))
	return true
}

// checkSize refuses a message that the transport can't carry.
func (n *carrier) checkSize(m []byte) error {
	limit := n.link.Limit()
	if len(m) <= limit {
		return nil
	}
	return &gateway.Error{Code: gateway.CodeTooLarge, Detail: fmt.Sprintf("the request has %d bytes on its way to another node; the cluster's messages have at most %d", len(m), limit)}
}

// complaintEvery is how often the same complaint is logged at most.
const complaintEvery = int64(time.Minute)

// complain logs a line that might come with every message. The caller holds mu.
func (n *carrier) complain(about, line string, args ...any) {
	now := n.clock()
	if last, ok := n.told[about]; ok && now-last < complaintEvery {
		return
	}
	if len(n.told) > 4*message.MaxMembers {
		clear(n.told) // somebody makes up names
	}
	n.told[about] = now
	n.log.Warn(line, args...)
}
