package loop

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/server/frames"
	"castgate/server/internal/descriptors"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// Sink are loops whose sockets are only numbers and take every byte at no
// cost, so that what is measured is ours and not the kernel's. Its loops do
// not run: the benchmark takes their turns, on its own goroutine.
type Sink struct {
	*Loops
	Wrote int // bytes
	head  []byte
}

// sinkHead is the request of all its clients.
const sinkHead = "GET /ws HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// NewSink makes one with room for so many sockets.
func NewSink(t testing.TB, loops, sockets int) *Sink {
	t.Helper()
	k := &Sink{head: []byte(sinkHead)}
	sys := kernel.Linux
	sys.Write = func(_ int, p []byte) (int, error) { k.Wrote += len(p); return len(p), nil }
	sys.Close, sys.Shutdown, sys.ResetOnClose = func(int) {}, func(int) {}, func(int) {}
	sys.Unsent = func(int) int { return 0 }
	sys.Yield = func() {}
	k.Loops = idleLoops(t, &sys, func(c *rigConfig) { c.Config.Loops = loops })
	k.fds = descriptors.New(uint64(sockets))
	return k
}

// Connect takes socket n in and does its handshake: what adopt and readable
// do, without epoll and read.
func (k *Sink) Connect(t testing.TB, n int) table.Handle {
	l := k.loops[n%len(k.loops)]
	slot, c, ok := l.slots.acquire()
	if !ok || !k.fds.Set(n, slot) {
		t.Fatalf("no room for socket %d", n)
	}
	c.fd, c.state, c.silentSince = int32(n), connHandshake, l.clock.now()
	k.Registry.arrived(l.handle(slot, c), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(n)), 0)
	k.sockets.Add(1)
	l.clock.closeBy(slot, c, k.ticks.Load().Handshake)
	l.entrance.upgrade(slot, c, k.head, nil)
	return l.handle(slot, c)
}

// Disconnect ends a client.
func (k *Sink) Disconnect(h table.Handle) {
	l := k.loops[h.Loop()]
	l.exit.closeNow(h.Slot(), l.conn(h.Slot()), reason.Gone)
}

// LetDeadlinesPass empties the wheels: what they hold of clients that have gone
// comes out when it is due, and chunks nobody needs go a revolution later.
func (k *Sink) LetDeadlinesPass() {
	for _, l := range k.loops {
		for range 4 * wheelBuckets {
			l.clock.due = l.clock.wheel.Advance(l.clock.now()+1, l.clock.due[:0])
		}
		l.clock.due = nil
	}
}

// NodeChunks is how many chunks of nodes the loops need for so many frames that wait.
func (k *Sink) NodeChunks(waiting int) int {
	return len(k.loops) * (waiting/len(k.loops)/frames.PoolChunk + 1)
}

// Turns lets the loops do all they have been asked for.
func (k *Sink) Turns(t testing.TB) {
	for _, l := range k.loops {
		for l.mail.rung.Load() {
			if err := l.turn(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// withRoom is the kernel, but its sockets take *room bytes in all before they
// are full.
func withRoom(room *int) *kernel.Calls {
	sys := kernel.Linux
	sys.Write = func(fd int, p []byte) (int, error) {
		if *room == 0 {
			return -1, unix.EAGAIN
		}
		n, err := kernel.Linux.Write(fd, p[:min(*room, len(p))])
		*room -= max(n, 0)
		return n, err
	}
	return &sys
}
