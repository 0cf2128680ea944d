package loop

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/internal/patience"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// slowPeer is a client whose flow is simulated, on a loop whose time passes
// when it is told to.
type slowPeer struct {
	connected
	l     *loop
	edge  uint32
	acked uint64
	waits bool
	moved uint32 // the tick at which something last moved
}

func newSlowPeer(t *testing.T) *slowPeer {
	p, sys := &slowPeer{acked: 1 << 20}, kernel.Linux
	sys.Flow = func(int) kernel.Flow {
		return kernel.Flow{Edge: p.edge, Acked: p.acked, Waits: p.waits, Still: time.Duration(p.l.clock.now()-p.moved) * kernel.Tick}
	}
	sys.Write = func(_ int, b []byte) (int, error) { return len(b), nil }
	p.l = idleLoopOn(t, &sys)
	p.connected = p.l.connect(t)
	t.Cleanup(func() { _ = unix.Close(p.peer) })
	return p
}

// take has the peer make room for n bytes more.
func (p *slowPeer) take(n uint32) { p.edge, p.moved = p.edge+n, p.l.clock.now() }

// endsAfter has up to most ticks pass, at each of which the peer does
// something, and returns after how many the connection ended; 0 if it did not.
func (p *slowPeer) endsAfter(most uint32, does func(tick uint32)) uint32 {
	gen := p.gen
	for tick := uint32(1); tick <= most; tick++ {
		does(tick)
		p.l.passTick()
		if p.gen != gen {
			return tick
		}
	}
	return 0
}

const (
	tickSecond = uint32(kernel.TicksPerSecond)
	pingBound  = 35 * tickSecond // PingInterval and PingTimeout as they are by default
	aWhile     = 20 * 60 * tickSecond
	maxReading = uint32(patience.MaxReading / kernel.Tick)
)

// Who answers nothing lives as long as it takes what it is sent, and no longer.
func TestOverduePong(t *testing.T) {
	for _, try := range []struct {
		name        string
		sent        uint8 // bytes before the ping, in units of patience.Sent
		does        func(p *slowPeer, tick uint32)
		least, most uint32 // when it ends; 0 for never
	}{
		{"an idle one that is gone", 0, func(p *slowPeer, tick uint32) {
			p.waits = tick > 25*tickSecond // a ping
		}, pingBound, pingBound},
		{"one that is gone a second before the ping", 0, func(p *slowPeer, tick uint32) {
			if p.waits = tick > 24*tickSecond; !p.waits {
				p.take(100)
			}
		}, 24*tickSecond + pingBound - 1, 24*tickSecond + pingBound},
		{"an idle one whose kernel answers", 0, func(p *slowPeer, tick uint32) {
			if tick <= 25*tickSecond {
				p.moved = p.l.clock.now()
			}
		}, pingBound, pingBound},
		{"one that takes nothing", 255, func(p *slowPeer, tick uint32) { p.waits, p.acked = true, 0 }, pingBound, pingBound},
		{"one with 16 KiB to read that takes no more", 255, func(p *slowPeer, tick uint32) {
			p.waits, p.acked = true, 16<<10
		}, pingBound + 8*tickSecond, pingBound + 8*tickSecond},
		{"one with a full buffer that takes no more", 255, func(p *slowPeer, tick uint32) { p.waits = true },
			pingBound + maxReading, pingBound + maxReading},
		{"one that stops after a minute", 255, func(p *slowPeer, tick uint32) {
			if p.waits = true; tick < 60*tickSecond {
				p.take(5000)
			}
		}, 60 * tickSecond, 60*tickSecond + pingBound + maxReading},
		{"2 KB a second in steps of 32 KB", 255, func(p *slowPeer, tick uint32) {
			if p.waits = true; tick%(16*tickSecond) == 0 {
				p.take(32 << 10)
			}
		}, 0, 0},
		{"2 KB a second in steps of 128 KB", 255, func(p *slowPeer, tick uint32) {
			if p.waits = true; tick%(64*tickSecond) == 0 {
				p.take(128 << 10)
			}
		}, 0, 0},
		{"20 KB a second", 255, func(p *slowPeer, tick uint32) {
			p.waits = true
			p.take(5000)
		}, 0, 0},
		{"a byte every ten seconds", 255, func(p *slowPeer, tick uint32) {
			if p.waits = true; tick%(10*tickSecond) == 0 {
				p.take(1)
			}
		}, pingBound, 2*pingBound + maxReading},
		{"acknowledgements and no room", 255, func(p *slowPeer, tick uint32) {
			p.waits, p.moved = true, p.l.clock.now()
		}, pingBound, 2*pingBound + maxReading},
		// 64 KiB in the peer's kernel are read in 32 s, then comes the ping.
		{"one that has taken all and never answers", 128, func(p *slowPeer, tick uint32) {
			if tick <= 25*tickSecond {
				p.moved = p.l.clock.now()
			}
		}, pingBound + 32*tickSecond - 1, pingBound + 32*tickSecond},
		{"one that has taken megabytes and never answers", 255, func(p *slowPeer, tick uint32) {
			if tick <= 25*tickSecond {
				p.moved = p.l.clock.now()
			}
		}, pingBound + maxReading - 1, pingBound + maxReading},
		{"one that takes all within 50 s and never answers", 0, func(p *slowPeer, tick uint32) {
			if p.waits = tick < 50*tickSecond; p.waits {
				p.take(5000)
			}
		}, 60*tickSecond - 2, 60 * tickSecond},
	} {
		p := newSlowPeer(t)
		p.sent = try.sent
		switch end := p.endsAfter(aWhile, func(tick uint32) { try.does(p, tick) }); {
		case end < try.least || end > try.most:
			t.Errorf("%s: ended after %d ticks, want %d to %d", try.name, end, try.least, try.most)
		case end == 0 && p.is(flagPinged) == false:
			t.Errorf("%s: was not pinged", try.name)
		case end > 0 && p.l.count.Closes[reason.PingTimeout].Load() != 1:
			t.Errorf("%s: not ended for its silence", try.name)
		case end > 0 && p.l.progress.peers.Len() > 0:
			t.Errorf("%s: %v are remembered", try.name, p.l.progress.peers)
		}
	}
}

// Whatever comes from a client begins its time anew.
func TestAnswerAfterAnOverduePong(t *testing.T) {
	p := newSlowPeer(t)
	sent, _ := pingsOf(1, 1)
	end := p.endsAfter(2*aWhile, func(tick uint32) {
		if p.waits = tick < 60*tickSecond; p.waits {
			p.take(5000)
		}
		if tick == 65*tickSecond {
			if p.l.progress.peers.Len() != 1 {
				t.Errorf("%d are remembered, want it alone", p.l.progress.peers.Len())
			}
			if _, err := unix.Write(p.peer, sent); err != nil {
				t.Error(err)
			}
			p.l.reader.readable(p.slot, p.conn)
			if p.l.progress.peers.Len() > 0 {
				t.Errorf("%v are remembered", p.l.progress.peers)
			}
			p.moved = p.l.clock.now() + 25*tickSecond // when the next ping has been taken
		}
	})
	if want := 65*tickSecond + pingBound; end < want-1 || end > want {
		t.Errorf("ended after %d ticks, want %d", end, want)
	}
}

// A close whose bytes are still taken goes on; one that is not answered ends.
func TestOverdueClose(t *testing.T) {
	for _, try := range []struct {
		name        string
		does        func(p *slowPeer, tick uint32)
		least, most uint32
	}{
		{"one that never answers", func(*slowPeer, uint32) {}, closeTicks, closeTicks},
		{"one that takes nothing", func(p *slowPeer, _ uint32) { p.waits = true }, closePatience, closePatience},
		{"2 KB a second in steps of 32 KB, for 900 KB", func(p *slowPeer, tick uint32) {
			if p.waits = tick < 450*tickSecond; p.waits && tick%(16*tickSecond) == 0 {
				p.take(32 << 10)
			}
		}, 450 * tickSecond, 460 * tickSecond},
		{"a byte a second", func(p *slowPeer, tick uint32) {
			if p.waits = true; tick%tickSecond == 0 {
				p.take(1)
			}
		}, closePatience, 2*closePatience + closeTicks},
	} {
		p := newSlowPeer(t)
		p.l.exit.startClose(p.slot, p.conn, reason.Kicked, reason.Kicked.Frame(), false)
		p.sent = 0
		end := p.endsAfter(aWhile, func(tick uint32) { try.does(p, tick) })
		if end < try.least || end > try.most {
			t.Errorf("%s: ended after %d ticks, want %d to %d", try.name, end, try.least, try.most)
		}
	}
}

// One that is closed for being slow has had its time: if it takes nothing it is
// gone soon, however much it may have to read.
func TestOverdueSlowClose(t *testing.T) {
	for unread, most := range map[uint8]uint32{0: leastPatience, 255: 3 * leastPatience} {
		p := newSlowPeer(t)
		p.l.exit.startClose(p.slot, p.conn, reason.Slow, reason.Slow.Frame(), true)
		p.sent = unread
		if end := p.endsAfter(aWhile, func(uint32) { p.waits = true }); end < leastPatience || end > most {
			t.Errorf("ended after %d ticks, want %d to %d", end, leastPatience, most)
		}
	}
}

// Who gets no pings stays while it takes what it is sent, and while there is
// nothing to take; one that takes nothing goes.
func TestUnasked(t *testing.T) {
	const probe = 2 * uint32(capacity.IdleProbe/kernel.Tick)
	unasked := map[string]struct {
		make  func(p *slowPeer)
		bound uint32
	}{
		"on a text listener": {func(p *slowPeer) { p.form = frames.Line }, pingBound},
		"while pings are off": {func(p *slowPeer) {
			c := p.l.srv.config.Capacity
			c.PingInterval = 0
			p.l.srv.ticks.Store(c.Ticks())
		}, probe},
	}
	for _, try := range []struct {
		name   string
		unread uint8
		does   func(p *slowPeer, tick uint32)
		more   uint32 // beyond its bound at the most
		never  bool
	}{
		{"one that is owed nothing", 255, func(*slowPeer, uint32) {}, 0, true},
		{"one that takes nothing", 0, func(p *slowPeer, _ uint32) { p.waits = true }, 0, false},
		{"one with much to read that takes no more", 255, func(p *slowPeer, _ uint32) { p.waits = true }, maxReading, false},
		{"one that had the time to read before it was gone", 255, func(p *slowPeer, tick uint32) {
			if p.waits = tick > 300*tickSecond; tick == 300*tickSecond {
				p.moved = p.l.clock.now()
			}
		}, 300 * tickSecond, false},
		{"20 KB a second", 255, func(p *slowPeer, _ uint32) {
			p.waits = true
			p.take(5000)
		}, 0, true},
		{"2 KB a second in steps of 128 KB", 255, func(p *slowPeer, tick uint32) {
			if p.waits = true; tick%(64*tickSecond) == 0 {
				p.take(128 << 10)
			}
		}, 0, true},
		{"acknowledgements and no room", 255, func(p *slowPeer, _ uint32) {
			p.waits, p.moved = true, p.l.clock.now()
		}, probe + maxReading, false},
	} {
		for kind, u := range unasked {
			p := newSlowPeer(t)
			u.make(p)
			p.l.clock.nextDeadline(p.slot, p.conn)
			p.sent = try.unread
			end := p.endsAfter(aWhile, func(tick uint32) { try.does(p, tick) })
			if (end == 0) != try.never || end > 0 && (end < u.bound || end > u.bound+try.more) {
				t.Errorf("%s, %s: ended after %d ticks, want %d to %d", try.name, kind, end, u.bound, u.bound+try.more)
			}
			if p.is(flagPinged) || end > 0 && (p.l.progress.peers.Len() > 0 || p.l.count.Closes[reason.Gone].Load() != 1) {
				t.Errorf("%s, %s: pinged, remembered or ended for another reason", try.name, kind)
			}
		}
	}
}
