package server

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/server/internal/table"
	"castgate/server/kernel"
)

// sink are loops whose sockets are only numbers and take every byte at no
// cost, so that what is measured is ours and not the kernel's. Its loops do
// not run: the benchmark takes their turns, on its own goroutine.
type sink struct {
	*Loops
	wrote int // bytes
	head  []byte
}

// sinkHead is the request of all its clients.
const sinkHead = "GET /ws HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// newSink makes one with room for so many sockets.
func newSink(t testing.TB, loops, sockets int) *sink {
	t.Helper()
	k := &sink{head: []byte(sinkHead)}
	sys := kernel.Linux
	sys.Write = func(_ int, p []byte) (int, error) { k.wrote += len(p); return len(p), nil }
	sys.Close, sys.Shutdown, sys.ResetOnClose = func(int) {}, func(int) {}, func(int) {}
	sys.Unsent = func(int) int { return 0 }
	sys.Yield = func() {}
	k.Loops = idleLoops(t, &sys, func(c *rigConfig) { c.LoopsConfig.Loops = loops })
	k.fds = newFDTable(uint64(sockets))
	return k
}

// connect takes socket n in and does its handshake: what adopt and readable
// do, without epoll and read.
func (k *sink) connect(t testing.TB, n int) table.Handle {
	l := k.loops[n%len(k.loops)]
	slot, c, ok := l.slots.acquire()
	if !ok || !k.fds.set(n, slot) {
		t.Fatalf("no room for socket %d", n)
	}
	c.fd, c.state, c.silentSince = int32(n), connHandshake, l.clock.now()
	k.registry.arrived(l.handle(slot, c), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(n)), 0)
	k.sockets.Add(1)
	l.clock.closeBy(slot, c, k.ticks.Load().handshake)
	l.entrance.upgrade(slot, c, k.head, nil)
	return l.handle(slot, c)
}

// turns lets the loops do all they have been asked for.
func (k *sink) turns(t testing.TB) {
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
