package simnet

import (
	"errors"
	"slices"
	"time"
)

// Network carries messages between hosts.
type Network struct {
	sim   *Simulation
	hosts []*Host
	cut   map[[2]*Host]bool
	last  map[[2]*Host]int64 // when the latest message of a pair arrives

	// Delay is how long a message takes, Loss and Repeat are how likely it is that
	// one is lost or comes twice.
	LeastDelay, MostDelay time.Duration
	Loss, Repeat          float64
	// Hold makes a link that is cut keep its messages until it is mended, as a
	// connection that is stuck does.
	Hold bool
	held []func()
	// Sent counts messages.
	Sent uint64
}

// NewNetwork returns a network without hosts that takes 0.1 to 2 ms.
func NewNetwork(s *Simulation) *Network {
	return &Network{sim: s, cut: map[[2]*Host]bool{}, last: map[[2]*Host]int64{},
		LeastDelay: 100 * time.Microsecond, MostDelay: 2 * time.Millisecond}
}

// Host is a process on the network. It is a cluster.Transport.
type Host struct {
	net     *Network
	node    uint16
	receive func([]byte)
	down    bool
	crashed bool
	paused  bool
	waiting []func()
}

// Host adds a process with a node number.
func (n *Network) Host(node uint16) *Host {
	h := &Host{net: n, node: node}
	n.hosts = append(n.hosts, h)
	return h
}

// Crash ends a process: nothing reaches it any more, and its tasks do not go on.
func (n *Network) Crash(h *Host) {
	h.crashed = true
	n.hosts = slices.DeleteFunc(n.hosts, func(o *Host) bool { return o == h })
}

// Pause stops a process until Resume.
func (h *Host) Pause() { h.paused = true }

// Resume lets a process go on with what has waited for it, in its order.
func (h *Host) Resume() {
	h.paused = false
	waiting := h.waiting
	h.waiting = nil
	for _, do := range waiting {
		h.net.sim.After(0, func() {
			if h.ready(do) {
				do()
			}
		})
	}
}

// Running tells whether a process neither has crashed nor is paused.
func (h *Host) Running() bool { return !h.crashed && !h.paused }

// ready tells whether a process runs; do waits for one that is paused.
func (h *Host) ready(do func()) bool {
	if h.paused && !h.crashed {
		h.waiting = append(h.waiting, do)
	}
	return h.Running()
}

// SetUp says whether a process knows that it is connected.
func (h *Host) SetUp(up bool) { h.down = !up }

// Cut cuts or mends the link between two processes, in both directions.
func (n *Network) Cut(a, b *Host, cut bool) {
	n.cut[[2]*Host{a, b}], n.cut[[2]*Host{b, a}] = cut, cut
	if !cut {
		held := n.held
		n.held = nil
		for _, do := range held {
			do()
		}
	}
}

var errDown = errors.New("the network is down")

// Send implements cluster.Transport.
func (h *Host) Send(node uint16, m []byte) error {
	if h.down {
		return errDown
	}
	h.net.Sent++
	for _, o := range slices.Clone(h.net.hosts) {
		if o.node == node {
			h.net.carry(h, o, m)
		}
	}
	return nil
}

// SendAll implements cluster.Transport.
func (h *Host) SendAll(m []byte) error {
	if h.down {
		return errDown
	}
	h.net.Sent++
	for _, o := range slices.Clone(h.net.hosts) {
		h.net.carry(h, o, m)
	}
	return nil
}

// Receive implements cluster.Transport.
func (h *Host) Receive(receive func([]byte)) { h.receive = receive }

// Up implements cluster.Transport.
func (h *Host) Up() bool { return !h.down }

// Limit implements cluster.Transport.
func (h *Host) Limit() int { return 1 << 20 }

// carry has a message arrive later, after those that the sender has sent before.
func (n *Network) carry(from, to *Host, m []byte) {
	pair := [2]*Host{from, to}
	if n.cut[pair] {
		if n.Hold {
			n.held = append(n.held, func() { n.carry(from, to, m) })
		}
		return
	}
	if n.sim.Rand.Float64() < n.Loss {
		return
	}
	times := 1
	if n.sim.Rand.Float64() < n.Repeat {
		times = 2
	}
	for range times {
		at := n.sim.now + int64(n.sim.Between(n.LeastDelay, n.MostDelay))
		at = max(at, n.last[pair])
		n.last[pair] = at
		n.sim.After(time.Duration(at-n.sim.now), func() { n.arrive(to, m) })
	}
}

func (n *Network) arrive(to *Host, m []byte) {
	deliver := func() { to.receive(slices.Clone(m)) }
	if to.ready(deliver) {
		deliver()
	}
}
