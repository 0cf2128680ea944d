package loop

import (
	"time"

	"castgate/server/capacity"
	"castgate/server/internal/patience"
	"castgate/server/kernel"
)

const (
	// leastPatience is how long a peer may take nothing, whatever the pings' times
	// are: receivers open their window in steps, of half a buffer at worst.
	leastPatience = uint32(5 * time.Second / kernel.Tick)
	// closePatience is that time for a connection that is closing.
	closePatience = uint32(35 * time.Second / kernel.Tick)
)

// progress tells slow peers from dead ones: which keep the loop waiting, and how much each
// client was sent since it was last heard. Owned by the loop.
type progress struct {
	loop  *loop
	peers patience.Book
	sent  patience.Sent
}

func newProgress(l *loop) progress {
	return progress{loop: l, peers: patience.NewBook(kernel.Tick)}
}

// peer is what is known of a client's peer.
func (p *progress) peer(c *conn) patience.Peer {
	f := p.loop.sys.Flow(int(c.fd))
	return patience.Peer{Edge: f.Edge, Acked: f.Acked, Waits: f.Waits, Still: f.Still, Queue: !c.out.Empty(), Sent: c.sent}
}

// look decides on a peer that has not answered in time; see patience.Book.
func (p *progress) look(slot uint32, c *conn, patience, answer uint32) (next uint32, ok bool) {
	peer := p.peer(c)
	return p.peers.Look(slot, p.loop.clock.now(), &peer, patience, answer)
}

// watch is look for a client that gets no pings. While it has taken everything it
// stays, whatever it says: the kernel's keepalive finds out whether it is there.
func (p *progress) watch(slot uint32, c *conn, t *capacity.Ticks) (next uint32, ok bool) {
	interval, timeout := t.WatchTimes()
	peer := p.peer(c)
	if peer.Waits || peer.Queue {
		return p.peers.Look(slot, p.loop.clock.now(), &peer, max(interval+timeout, leastPatience), timeout)
	}
	p.forgive(slot)
	if peer.Still/kernel.Tick >= time.Duration(p.peers.Reading(&peer)) {
		c.sent = 0 // it has had the time to read all of it
	}
	return p.loop.clock.now() + interval, true
}

// forgive forgets what look has remembered.
func (p *progress) forgive(slot uint32) { p.peers.Forgive(slot) }

// note counts bytes that the kernel has taken for a client.
func (p *progress) note(c *conn, n int) { c.sent = p.sent.Add(c.sent, n) }
