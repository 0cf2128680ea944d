package capacity

import (
	"testing"
	"time"

	"castgate/server/kernel"
)

// Timeouts are rounded up, since a client may use all of its time; off stays off.
func TestTicks(t *testing.T) {
	c := Capacity{HandshakeTimeout: kernel.Tick + 1, PingInterval: 3 * kernel.Tick, PingTimeout: time.Millisecond, TCPKeepalive: kernel.Tick}
	if got, want := *c.Ticks(), (Ticks{Handshake: 2, PingInterval: 3, PingTimeout: 1, Keepalive: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Who gets no pings is looked at as often as others are pinged, or as the kernel probes.
func TestWatchTimes(t *testing.T) {
	if interval, timeout := (&Ticks{PingInterval: 8, PingTimeout: 4}).WatchTimes(); interval != 8 || timeout != 4 {
		t.Errorf("with pings %d, %d", interval, timeout)
	}
	if interval, timeout := (&Ticks{PingTimeout: 4, Keepalive: 9}).WatchTimes(); interval != 9 || timeout != 4 {
		t.Errorf("with keepalive %d, %d", interval, timeout)
	}
	const probe = uint32(IdleProbe / kernel.Tick)
	if interval, timeout := (&Ticks{}).WatchTimes(); interval != probe || timeout != probe || (&Ticks{}).WatchEvery() != probe {
		t.Errorf("without pings %d, %d", interval, timeout)
	}
}

// Clients of neighbouring slots, however many, get their first pings evenly over half of the
// time between pings.
func TestHeadStart(t *testing.T) {
	ticks := &Ticks{PingInterval: 100}
	for _, clients := range []uint32{50, 500, 50_000} {
		const half = 50
		var at [half]uint32
		for slot := range clients {
			n := ticks.HeadStart(1000 + slot)
			if n >= half {
				t.Fatalf("slot %d: %d ticks of %d", slot, n, ticks.PingInterval)
			}
			at[n]++
		}
		for tick, n := range at {
			if even := clients / half; n > even+even/2+1 {
				t.Errorf("%d of %d clients are pinged at tick %d", n, clients, tick)
			}
		}
	}
	if n := (&Ticks{}).HeadStart(77); n != 0 {
		t.Errorf("%d ticks without pings", n)
	}
}
