package loop

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/kernel"
)

// doorkeeper is told of clients, and says whether they are admitted.
type doorkeeper struct {
	tally
	says gateway.Admission
}

func (d *doorkeeper) Admit(netip.Addr) gateway.Admission { return d.says }

// What waiters hold is bounded, and given back however their waiting ends.
func TestWhatWaitersHold(t *testing.T) {
	d := &doorkeeper{says: gateway.AdmitLater}
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Events = d })
	refused := func() uint64 { return l.count.handshakes[codec.HandshakeNoWorker].Load() }
	left := func() int {
		return l.waiting.room.Held() + len(l.waiting.networks) + l.waiting.asked.Len() + l.waiting.refused.Len()
	}
	waits := func() connected { return l.half(t, "198.51.100.7", []byte(sinkHead)) }
	gone, first, second := waits(), waits(), waits()
	if n := l.count.waiters.Load(); n != 3 || l.waiting.room.Held() < 3*waiterCost {
		t.Fatalf("%d wait, and hold %d bytes", n, l.waiting.room.Held())
	}
	l.disconnect(gone)

	// One for which there is no room is refused.
	const much = 1 << 30
	overdraw := func(n int) {
		for _, line := range l.waiting.networks {
			l.waiting.weigh(line, n)
		}
	}
	overdraw(much)
	crowded := waits()
	if refused() != 1 || crowded.state == connVerifying {
		t.Errorf("%d refused without room, phase %v", refused(), crowded.state)
	}
	overdraw(-much)

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
	if n := l.count.waiters.Load(); n != 0 {
		t.Errorf("%d wait at the end", n)
	}
}
