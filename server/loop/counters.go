package loop

import (
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/reason"
	"castgate/server/token"
	"castgate/server/transport"
	"sync/atomic"
	"time"
)

// counters are one loop's. The loop writes them, but for matched, which the
// pushers write; anyone reads. They fill their cache lines alone.
type counters struct {
	elapsed     func() time.Duration // the loops' clock; static
	timing      *pushTimer           // the Loops'; static
	ending      *frames.Frame        // see timeLater
	endings     int
	_           [64]byte
	matched     atomic.Uint64
	_           [56]byte
	written     atomic.Uint64
	dropped     [reason.NumDrops]atomic.Uint64
	queuedBytes atomic.Int64
	headBytes   atomic.Int64 // what heads hold
	writes      atomic.Uint64
	bytesOut    atomic.Uint64
	bytesIn     atomic.Uint64
	messagesIn  atomic.Uint64
	putOff      atomic.Uint64
	pings       atomic.Uint64
	panics      atomic.Uint64
	lag         atomic.Int64 // nanoseconds
	ticked      atomic.Int64 // when the last tick was, by the loops' clock
	turns       gateway.Stopwatch
	pushTimes   gateway.Stopwatch
	connections atomic.Int64
	waiters     atomic.Int64  // connections that wait to be admitted
	held        atomic.Uint64 // times a client was not read any more for a while
	handshakes  [reason.NumHandshakes]atomic.Uint64
	tokens      [token.NumReasons]atomic.Uint64
	tls         [transport.NumResults]atomic.Uint64
	closes      [reason.NumCloses]atomic.Uint64
	inflate     inflateCounters
	// Of the drain: see drained.
	unanswered, cutOff, notReading atomic.Uint64
	_                              [64]byte
}

// addTo adds the loop's counters to a reading. matched is not among them: it is
// read after all loops' other counters, see Server.Stats. Any goroutine.
func (c *counters) addTo(st *gateway.Stats) {
	for i := range c.handshakes {
		st.Handshakes[reason.HandshakeLabel(i)] += c.handshakes[i].Load()
	}
	for i := range c.closes {
		if reason.Close(i) != reason.None {
			st.Closes[reason.Close(i).Label()] += c.closes[i].Load()
		}
	}
	for i := range c.tokens {
		st.TokensRefused[token.Reason(i).String()] += c.tokens[i].Load()
	}
	for i := range c.tls {
		st.TLSHandshakes[transport.Result(i).String()] += c.tls[i].Load()
	}
	// What ended is read before what was matched, so Queued is never too low.
	st.Written += c.written.Load()
	for i := range c.dropped {
		st.Dropped[reason.Drop(i).Label()] += c.dropped[i].Load()
	}
	st.QueuedBytes += int(c.queuedBytes.Load())
	st.MessagesIn += c.messagesIn.Load()
	st.PutOff += c.putOff.Load()
	st.HeadBytes += int(c.headBytes.Load())
	st.BytesIn += c.bytesIn.Load()
	st.BytesOut += c.bytesOut.Load()
	st.Pings += c.pings.Load()
	st.Writes += c.writes.Load()
	st.Panics += c.panics.Load()
	st.LoopLag = max(st.LoopLag, time.Duration(c.lag.Load()))
	c.turns.AddTo(&st.Turns)
	c.pushTimes.AddTo(&st.PushTimes)
	c.inflate.addTo(st)
}

// delivered ends a delivery with success.
func (c *counters) delivered(f *frames.Frame) {
	if !f.Counted {
		return
	}
	c.written.Add(1)
	if f.Wait != nil {
		f.Wait.Written()
	}
	if f.Timed() {
		c.timeLater(f)
	}
}

// timeLater notes that a delivery of a timed push has ended, until settle: the count is
// one that the loops share, and a slice of writes mostly carries one push. Only the loop.
func (c *counters) timeLater(f *frames.Frame) {
	if f != c.ending {
		c.settle()
		c.ending = f
	}
	c.endings++
}

// settle counts what timeLater has noted. Only the loop.
func (c *counters) settle() {
	if f := c.ending; f != nil {
		c.timed(f, c.endings)
		c.ending, c.endings = nil, 0
	}
}

// timed notes that n deliveries of a push have ended. If they were the last it counts how
// long the push took. Any goroutine.
func (c *counters) timed(f *frames.Frame, n int) {
	if f.Timed() && f.Ended(n) {
		c.timedPush(f, true)
	}
}

// timeOf tells a push that is timed how many deliveries it has. Any goroutine.
func (c *counters) timeOf(f *frames.Frame, matched int) {
	if f.Timed() && f.Matched(matched) {
		c.timedPush(f, matched > 0)
	}
}

// timedPush ends the timing of a push, and counts its time if it was to somebody.
func (c *counters) timedPush(f *frames.Frame, count bool) {
	if count {
		c.pushTimes.Observe(c.elapsed() - f.Began())
	}
	if f.Many() {
		c.timing.end(f.Began())
	}
}

// drop ends a delivery without success.
func (c *counters) drop(f *frames.Frame, why reason.Drop) {
	if !f.Counted {
		return
	}
	c.dropped[why].Add(1)
	if f.Wait != nil {
		f.Wait.Dropped(1)
	}
	c.timed(f, 1)
}

// dropMany ends n deliveries without success.
func (c *counters) dropMany(f *frames.Frame, n int, why reason.Drop) {
	c.dropped[why].Add(uint64(n))
	if f.Wait != nil {
		f.Wait.Dropped(n)
	}
	c.timed(f, n)
}
