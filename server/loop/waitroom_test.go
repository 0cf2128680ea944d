package loop

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/waitlist"
	"castgate/server/kernel"
)

// doorkeeper is told of clients, and says whether they are admitted.
type doorkeeper struct {
	hearer
	says gateway.Admission
}

func (d *doorkeeper) Admit(netip.Addr) gateway.Admission { return d.says }

// What waiters hold is bounded, and given back however their waiting ends.
func TestWhatWaitersHold(t *testing.T) {
	d := &doorkeeper{says: gateway.AdmitLater}
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Events = d })
	refused := func() uint64 { return l.count.Handshakes[codec.HandshakeNoWorker].Load() }
	left := func() int {
		bytes, networks := l.waiting.list.Held()
		return bytes + networks
	}
	waits := func() connected { return l.half(t, "198.51.100.7", []byte(sinkHead)) }
	gone, first, second := waits(), waits(), waits()
	if n := l.count.Waiters.Load(); n != 3 || left() < 3*waiterCost {
		t.Fatalf("%d wait, and hold %d bytes", n, left())
	}
	l.disconnect(gone)

	// One for which there is no room is refused.
	var large []*waitlist.Place[*waiter] // all that its network may hold
	for size := waitMemory; size > 0; {
		p := l.waiting.list.Add(&waiter{}, netip.MustParseAddr("198.51.100.7"), size)
		if p == nil {
			size /= 2
			continue
		}
		large = append(large, p)
	}
	crowded := waits()
	if refused() != 1 || crowded.state == connVerifying {
		t.Errorf("%d refused without room, phase %v", refused(), crowded.state)
	}
	for _, p := range large {
		l.waiting.list.Remove(p)
	}

	d.says = gateway.AdmitNow
	l.waiting.readmit()
	if first.state != connOpen || second.state != connOpen || left() != 0 {
		t.Errorf("admitted: phases %v and %v, %d are left", first.state, second.state, left())
	}
	d.says = gateway.AdmitLater
	third := waits()
	d.says = gateway.AdmitNever
	l.waiting.readmit()
	if refused() != 2 || third.state == connVerifying || left() != 0 {
		t.Errorf("%d refused after waiting, phase %v, %d are left", refused(), third.state, left())
	}
	for _, c := range []connected{first, second, crowded, third} {
		if c.state != connFree {
			l.disconnect(c)
		} else {
			_ = unix.Close(c.peer)
		}
	}
	if n := l.count.Waiters.Load(); n != 0 {
		t.Errorf("%d wait at the end", n)
	}
}
