package capacity

import (
	"time"

	"castgate/server/kernel"
)

// IdleProbe is after how much silence the kernel looks for a peer, and how long
// it waits for its answer, where Config has no pings
// (docs/gatewayworker-protocol.md section 7.6).
const IdleProbe = 55 * time.Second

// Ticks holds the timeouts of Capacity in ticks of the loops; 0 is off.
type Ticks struct {
	Handshake, PingInterval, PingTimeout, Unbound, Keepalive uint32
}

// Ticks are the timeouts in ticks, rounded up.
func (c *Capacity) Ticks() *Ticks {
	ticks := func(d time.Duration) uint32 { return uint32((d + kernel.Tick - 1) / kernel.Tick) }
	return &Ticks{ticks(c.HandshakeTimeout), ticks(c.PingInterval), ticks(c.PingTimeout), ticks(c.UnboundTimeout), ticks(c.TCPKeepalive)}
}

// WatchTimes are the times of pings, for a client that gets none.
func (t *Ticks) WatchTimes() (interval, timeout uint32) {
	if t.Keepalive > 0 {
		return t.Keepalive, t.PingTimeout
	}
	if t.PingInterval == 0 {
		const probe = uint32(IdleProbe / kernel.Tick)
		return probe, probe
	}
	return t.PingInterval, t.PingTimeout
}

// WatchEvery is how many ticks pass between two looks at a client that gets no
// pings and has taken all it was sent.
func (t *Ticks) WatchEvery() uint32 {
	interval, _ := t.WatchTimes()
	return interval
}

// HeadStart is how many ticks earlier than others a new client gets its first ping, less
// than half of the time between pings: of clients that connect at the same moment, and then
// say nothing but pongs, the pings stay apart. By the golden ratio neighbouring slots are
// far apart, and any number of them is spread evenly.
func (t *Ticks) HeadStart(slot uint32) uint32 {
	const golden = 2654435769 // of 1 << 32
	return uint32(uint64(slot*golden) * uint64(t.PingInterval/2) >> 32)
}
