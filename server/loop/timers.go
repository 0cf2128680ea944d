package loop

import (
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/internal/rush"
	"castgate/server/internal/wheel"
	"castgate/server/kernel"
	"castgate/server/reason"
)

const (
	// wheelBuckets is the horizon of a loop's wheel in ticks.
	wheelBuckets = 512
	// maxTickStep is how many ticks a loop's time goes on at once.
	maxTickStep = 3
	// closeTicks is how long a client may take to answer our close frame once it
	// has read it.
	closeTicks = uint32(5 * time.Second / kernel.Tick)
	// turnExpiries is how many deadlines are acted on in one turn: most are pings, a
	// write each.
	turnExpiries = 256
	// refusalTicks is how long a refused socket may take to read its answer.
	refusalTicks = uint32(2 * time.Second / kernel.Tick)
)

// clock is a loop's time, in ticks since it was made, and the deadlines of its
// connections.
type clock struct {
	loop  *loop
	wheel *wheel.Wheel
	began time.Duration // of sys.elapsed: when tick 0 was
	wall  int64         // Unix time in nanoseconds of this event; 0 before it was asked for
	due   []uint32      // slots whose entry in the wheel has come
	acted int           // how many of due were acted on

	answers   rush.Rush // of clients that were pinged
	gathering bool      // answers come in a rush
}

func newClock(l *loop) clock {
	return clock{loop: l, wheel: wheel.New(wheelBuckets), began: l.sys.Elapsed()}
}

// now is the tick of the last call of tick.
func (k *clock) now() uint32 { return k.wheel.Now() }

// unixNano is the time of day, read at most once for each event of the poller, however
// many clients end with it.
func (k *clock) unixNano() int64 {
	if k.wall == 0 {
		k.wall = time.Now().UnixNano()
	}
	return k.wall
}

// forget has unixNano read the time again, for the next event.
func (k *clock) forget() { k.wall = 0 }

var pingFrame = frames.Control(ws.CompiledPing)

// before compares ticks, which wrap around.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// tick runs on the loop each kernel.Tick.
func (k *clock) tick() {
	var p [8]byte
	_, _ = unix.Read(k.loop.ticker, p[:])
	at := k.loop.sys.Elapsed()
	k.loop.count.Ticked.Store(int64(at))
	since := at - k.began
	now := uint32(since / kernel.Tick)
	lag := since - time.Duration(k.wheel.Now()+1)*kernel.Tick
	k.loop.count.Lag.Store(int64(max(lag, 0)))
	if late := now - k.wheel.Now(); late > maxTickStep {
		// The loop was held up, or the whole machine: what clients sent
		// meanwhile has not been read, so the time does not count against them.
		k.began += time.Duration(late-maxTickStep) * kernel.Tick
		now = k.wheel.Now() + maxTickStep
	}
	k.loop.entrance.takeIn()
	k.due = append(k.due[:0], k.due[k.acted:]...)
	k.due, k.acted = k.wheel.Advance(now, k.due), 0
	if k.turn(); k.busy() {
		k.loop.mail.ring()
	}
	k.loop.heart.tick(now)
	if !k.loop.srv.admission.Rules().Metered() {
		k.loop.reader.forgetMeters()
	}
	k.loop.drain.tick()
}

// busy reports whether deadlines that have come are left for the next turn.
func (k *clock) busy() bool { return k.acted < len(k.due) }

// turn acts on the next deadlines that have come, a slice of a turn.
func (k *clock) turn() {
	now := k.now()
	for end := min(len(k.due), k.acted+turnExpiries); k.acted < end; k.acted++ {
		slot := k.due[k.acted]
		c := k.loop.conn(slot)
		// An entry that was overtaken by an earlier one, or left by an earlier
		// owner of the slot, does not count.
		if c != nil && !before(now, c.wheelAt) {
			k.expire(slot, c, now)
		}
	}
	if k.busy() {
		return
	}
	if k.due, k.acted = k.due[:0], 0; cap(k.due) > maxIdleCap {
		k.due = nil
	}
}

// wake has expire called at a tick, or earlier if that is beyond the horizon.
func (k *clock) wake(slot uint32, c *conn, at uint32) {
	now := k.wheel.Now()
	if !before(now, at) {
		at = now + 1
	}
	c.wheelAt = now + min(at-now, wheelBuckets-1)
	k.wheel.Add(slot, c.wheelAt)
}

// closeBy makes sure that the connection is closed hard after some ticks.
func (k *clock) closeBy(slot uint32, c *conn, ticks uint32) {
	c.deadline = k.wheel.Now() + ticks
	k.wake(slot, c, c.deadline)
}

// expire acts on a deadline that may have come.
func (k *clock) expire(slot uint32, c *conn, now uint32) {
	if c.state == connOpen {
		k.openDeadline(slot, c, now)
		return
	}
	if before(now, c.deadline) {
		k.wake(slot, c, c.deadline)
		return
	}
	switch {
	case c.state == connClosing:
		k.loop.exit.closeOverdue(slot, c)
		return
	case c.in != nil && c.in.waiting != nil: // whoever has it wait sets the time
		k.closeBy(slot, c, k.loop.srv.ticks.Load().Handshake)
		return
	}
	why := codec.HandshakeTimeout
	if k.loop.drain.active() { // its time was cut; see stopTicks
		why = codec.HandshakeStopping
	}
	k.loop.entrance.refuse(slot, c, why)
}

// expireAt has a client closed at a Unix time. It is kept beside the slots: most
// clients need none, and c.deadline says by when they must be bound.
func (k *clock) expireAt(slot uint32, c *conn, at int64) {
	c.set(flagExpires)
	ch := k.loop.slots.chunkAt(slot)
	if ch.expires == nil {
		ch.expires = new([chunkLen]uint32)
	}
	ch.expires[slot%chunkLen] = uint32(min(max(at, 0), 1<<32-1))
}

// secondsLeft is how long the token of a client with flagExpires is still
// good, by the wall clock, which the token's times are of.
func (k *clock) secondsLeft(slot uint32) int64 {
	return int64(k.loop.slots.chunkAt(slot).expires[slot%chunkLen]) - k.loop.sys.Now().Unix()
}

// openDeadline pings a silent client, ends one that stays silent and takes
// nothing, one whose token has ended and one that nobody has bound.
func (k *clock) openDeadline(slot uint32, c *conn, now uint32) {
	t := k.loop.srv.ticks.Load()
	switch {
	case c.is(flagExpires) && k.secondsLeft(slot) <= 0:
		k.loop.exit.startClose(slot, c, reason.Expired, reason.Expired.Frame(), false)
		return
	case t.Unbound > 0 && c.is(flagBindBy) && !before(now, c.deadline) && !k.loop.srv.Registry.bound(k.loop.handle(slot, c)):
		k.loop.exit.startClose(slot, c, reason.Unbound, reason.Unbound.Frame(), false)
		return
	}
	if c.held() {
		c.clear(flagPinged) // its pong may lie in the socket
		c.silentSince = now
	}
	if !pinged(c, t) {
		next, ok := k.loop.progress.watch(slot, c, t)
		if !ok {
			k.loop.exit.abort(slot, c, reason.Gone)
			return
		}
		k.deadlineBy(slot, c, now, next)
		return
	}
	k.ping(slot, c, now, t)
}

// ping asks a silent client whether it is there, and ends one that does not
// answer and takes nothing.
func (k *clock) ping(slot uint32, c *conn, now uint32, t *capacity.Ticks) {
	switch {
	case c.is(flagPinged) && c.is(flagLater):
		c.silentSince = now // its pong may be among what waits for its turn
	case c.is(flagPinged):
		if !before(now, c.silentSince+t.PingTimeout) {
			next, ok := k.loop.progress.look(slot, c, max(t.PingInterval+t.PingTimeout, leastPatience), t.PingTimeout)
			if !ok {
				k.loop.exit.abort(slot, c, reason.PingTimeout)
				return
			}
			c.silentSince = next - t.PingTimeout
		}
	case !before(now, c.silentSince+t.PingInterval):
		c.set(flagPinged)
		c.silentSince = now
		k.loop.count.Pings.Add(1)
		k.loop.writer.queueFirst(slot, c, pingFrame)
		if !c.is(flagBlocked) && !k.loop.writer.flush(slot, c) {
			return
		}
	}
	k.nextDeadlineOf(slot, c, now)
}

// answered counts a client that has said something since it was pinged.
func (k *clock) answered() {
	if k.answers.Count() && k.answers.TooFast(k.loop.sys.Elapsed()) {
		k.gathering = true
		k.loop.mail.ring()
	}
}

// rest lets answers to pings gather while they come in a rush. Whoever posts ends it.
func (k *clock) rest() {
	if k.gathering {
		k.gathering = false
		k.loop.sys.Rest(k.loop.bell, rush.Rest)
	}
}

// nextDeadline sets the first deadline of a new client.
func (k *clock) nextDeadline(slot uint32, c *conn) {
	now := k.wheel.Now()
	k.loop.heart.heard(c)
	t := k.loop.srv.ticks.Load()
	if t.Unbound > 0 {
		c.set(flagBindBy)
		c.deadline = now + t.Unbound
	}
	if pinged(c, t) {
		c.silentSince -= t.HeadStart(slot)
	}
	k.nextDeadlineOf(slot, c, now)
}

func (k *clock) nextDeadlineOf(slot uint32, c *conn, now uint32) {
	t := k.loop.srv.ticks.Load()
	switch {
	case !pinged(c, t):
		k.deadlineBy(slot, c, now, now+t.WatchEvery())
	case c.is(flagPinged):
		k.deadlineBy(slot, c, now, c.silentSince+t.PingTimeout)
	default:
		k.deadlineBy(slot, c, now, c.silentSince+t.PingInterval)
	}
}

// deadlineBy has openDeadline called at a tick, or when the token ends or the
// time to be bound is over.
func (k *clock) deadlineBy(slot uint32, c *conn, now, at uint32) {
	t := k.loop.srv.ticks.Load()
	if c.is(flagExpires) {
		if end := now + uint32(min(max(k.secondsLeft(slot), 0)*kernel.TicksPerSecond, wheelBuckets)); before(end, at) {
			at = end
		}
	}
	if t.Unbound > 0 && c.is(flagBindBy) && before(now, c.deadline) && before(c.deadline, at) {
		at = c.deadline
	}
	k.wake(slot, c, at)
}

// pinged tells whether a client is pinged.
func pinged(c *conn, t *capacity.Ticks) bool { return t.PingInterval > 0 && !c.form.Plain() }
