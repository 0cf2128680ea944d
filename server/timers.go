package server

import (
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
)

const (
	// tickLen is the resolution of every timeout. After each wake-up of an idle
	// process the Go runtime looks closely for some milliseconds, which costs
	// more than the tick: 0.7 ms of CPU time.
	tickLen        = 250 * time.Millisecond
	ticksPerSecond = int64(time.Second / tickLen)
	// wheelBuckets is the horizon of a loop's wheel in ticks.
	wheelBuckets = 512
	// maxTickStep is how many ticks a loop's time goes on at once.
	maxTickStep = 3
	// closeTicks is how long a client may take to answer our close frame once it
	// has read it.
	closeTicks = uint32(5 * time.Second / tickLen)
	// refusalTicks is how long a refused socket may take to read its answer.
	refusalTicks = uint32(2 * time.Second / tickLen)
)

// tickConfig holds the timeouts of Capacity in ticks; 0 is off.
type tickConfig struct {
	handshake, pingInterval, pingTimeout, unbound uint32
}

func newTickConfig(c *Config) *tickConfig {
	ticks := func(d time.Duration) uint32 { return uint32((d + tickLen - 1) / tickLen) }
	return &tickConfig{ticks(c.HandshakeTimeout), ticks(c.PingInterval), ticks(c.PingTimeout), ticks(c.UnboundTimeout)}
}

// pings tells whether a client is pinged.
func (t *tickConfig) pings(c *conn) bool { return t.pingInterval > 0 && !c.form.plain() }

var pingFrame = controlFrame(ws.CompiledPing)

// before compares ticks, which wrap around.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// tick runs on the loop each tickLen.
func (l *loop) tick() {
	var p [8]byte
	_, _ = unix.Read(l.ticker, p[:])
	since := l.sys.elapsed() - l.began
	now := uint32(since / tickLen)
	lag := since - time.Duration(l.wheel.Now()+1)*tickLen
	l.count.lag.Store(int64(max(lag, 0)))
	if late := now - l.wheel.Now(); late > maxTickStep {
		// The loop was held up, or the whole machine: what clients sent
		// meanwhile has not been read, so the time does not count against them.
		l.began += time.Duration(late-maxTickStep) * tickLen
		now = l.wheel.Now() + maxTickStep
	}
	l.land()
	l.due = l.wheel.Advance(now, l.due[:0])
	for _, slot := range l.due {
		c := l.conn(slot)
		// An entry that was overtaken by an earlier one, or left by an earlier
		// owner of the slot, does not count.
		if c != nil && !before(now, c.wheelAt) {
			l.expire(slot, c, now)
		}
	}
	if cap(l.due) > maxIdleCap {
		l.due = nil
	}
	l.beat(now)
	if l.meters.pages != nil && !l.srv.policy.Load().metered {
		l.meters = meters{}
	}
	if l.drain > 0 {
		l.credit += l.drain
		if l.draining() {
			l.ring() // a turn closes the next
		}
	}
}

// wake has expire called at a tick, or earlier if that is beyond the horizon.
func (l *loop) wake(slot uint32, c *conn, at uint32) {
	now := l.wheel.Now()
	if !before(now, at) {
		at = now + 1
	}
	c.wheelAt = now + min(at-now, wheelBuckets-1)
	l.wheel.Add(slot, c.wheelAt)
}

// expire acts on a deadline that may have come.
func (l *loop) expire(slot uint32, c *conn, now uint32) {
	if c.state == connOpen {
		l.openDeadline(slot, c, now)
		return
	}
	if before(now, c.due) {
		l.wake(slot, c, c.due)
		return
	}
	switch {
	case c.state == connClosing:
		l.closeOverdue(slot, c)
		return
	case c.in != nil && c.in.waiting != nil: // whoever has it wait sets the time
		l.closeBy(slot, c, l.srv.ticks.Load().handshake)
		return
	}
	why := codec.HandshakeTimeout
	if l.drain > 0 { // its time was cut; see stopTicks
		why = codec.HandshakeStopping
	}
	l.refuse(slot, c, why)
}

// openDeadline pings a silent client, ends one that stays silent and takes
// nothing, one whose token has ended and one that nobody has bound.
func (l *loop) openDeadline(slot uint32, c *conn, now uint32) {
	t := l.srv.ticks.Load()
	switch {
	case c.is(flagExpires) && l.secondsLeft(slot) <= 0:
		l.startClose(slot, c, closeExpired, closeFrames[closeExpired], false)
		return
	case t.unbound > 0 && c.is(flagBindBy) && !before(now, c.due) && !l.srv.registry.bound(l.handle(slot, c)):
		l.startClose(slot, c, closeUnbound, closeFrames[closeUnbound], false)
		return
	}
	if c.held() {
		c.clear(flagPinged) // its pong may lie in the socket
		c.lastRead = now
	}
	if !t.pings(c) {
		next, ok := l.watch(slot, c, t)
		if !ok {
			l.abort(slot, c, closeGone)
			return
		}
		l.deadlineBy(slot, c, now, next)
		return
	}
	l.ping(slot, c, now, t)
}

// ping asks a silent client whether it is there, and ends one that does not
// answer and takes nothing.
func (l *loop) ping(slot uint32, c *conn, now uint32, t *tickConfig) {
	switch {
	case c.is(flagPinged) && c.is(flagLater):
		c.lastRead = now // its pong may be among what waits for its turn
	case c.is(flagPinged):
		if !before(now, c.lastRead+t.pingTimeout) {
			f := l.sys.flow(int(c.fd))
			next, ok := l.look(slot, c, f, max(t.pingInterval+t.pingTimeout, leastPatience), t.pingTimeout)
			if !ok {
				l.abort(slot, c, closePingTimeout)
				return
			}
			c.lastRead = next - t.pingTimeout
		}
	case !before(now, c.lastRead+t.pingInterval):
		c.set(flagPinged)
		c.lastRead = now
		l.count.pings.Add(1)
		l.queueFirst(slot, c, pingFrame)
		if !c.is(flagBlocked) && !l.flush(slot, c) {
			return
		}
	}
	l.nextDeadlineOf(slot, c, now)
}

// nextDeadline sets the first deadline of a new client.
func (l *loop) nextDeadline(slot uint32, c *conn) {
	now := l.wheel.Now()
	c.left = l.heart.count
	if t := l.srv.ticks.Load(); t.unbound > 0 {
		c.set(flagBindBy)
		c.due = now + t.unbound
	}
	l.nextDeadlineOf(slot, c, now)
}

func (l *loop) nextDeadlineOf(slot uint32, c *conn, now uint32) {
	t := l.srv.ticks.Load()
	switch {
	case !t.pings(c):
		l.deadlineBy(slot, c, now, now+t.watchEvery())
	case c.is(flagPinged):
		l.deadlineBy(slot, c, now, c.lastRead+t.pingTimeout)
	default:
		l.deadlineBy(slot, c, now, c.lastRead+t.pingInterval)
	}
}

// deadlineBy has openDeadline called at a tick, or when the token ends or the
// time to be bound is over.
func (l *loop) deadlineBy(slot uint32, c *conn, now, at uint32) {
	t := l.srv.ticks.Load()
	if c.is(flagExpires) {
		if end := now + uint32(min(max(l.secondsLeft(slot), 0)*ticksPerSecond, wheelBuckets)); before(end, at) {
			at = end
		}
	}
	if t.unbound > 0 && c.is(flagBindBy) && before(now, c.due) && before(c.due, at) {
		at = c.due
	}
	l.wake(slot, c, at)
}
