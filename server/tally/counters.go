// Package tally counts what event loops do.
package tally

import (
	"sync/atomic"
	"time"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/reason"
	"castgate/server/token"
	"castgate/server/transport"
)

// Counters are one loop's. The loop writes them, but for Matched, which the
// pushers write; anyone reads. They fill their cache lines alone.
type Counters struct {
	Elapsed     func() time.Duration // the loops' clock; static
	Timing      *PushTimer           // the Loops'; static
	ending      *frames.Frame        // see timeLater
	endings     int
	_           [64]byte
	Matched     atomic.Uint64
	_           [56]byte
	Written     atomic.Uint64
	Dropped     [reason.NumDrops]atomic.Uint64
	QueuedBytes atomic.Int64
	HeadBytes   atomic.Int64 // what heads hold
	Writes      atomic.Uint64
	BytesOut    atomic.Uint64
	BytesIn     atomic.Uint64
	MessagesIn  atomic.Uint64
	PutOff      atomic.Uint64
	Pings       atomic.Uint64
	Panics      atomic.Uint64
	Lag         atomic.Int64 // nanoseconds
	Ticked      atomic.Int64 // when the last tick was, by the loops' clock
	Turns       gateway.Stopwatch
	PushTimes   gateway.Stopwatch
	Connections atomic.Int64
	Waiters     atomic.Int64  // connections that wait to be admitted
	Held        atomic.Uint64 // times a client was not read any more for a while
	Handshakes  [reason.NumHandshakes]atomic.Uint64
	Tokens      [token.NumReasons]atomic.Uint64
	TLS         [transport.NumResults]atomic.Uint64
	Closes      [reason.NumCloses]atomic.Uint64
	Inflate     Inflated
	// Of the drain: see drained.
	Unanswered, CutOff, NotReading atomic.Uint64
	_                              [64]byte
}

// AddTo adds the loop's counters to a reading. matched is not among them: it is
// read after all loops' other counters, see Loops.AddTo. Any goroutine.
func (c *Counters) AddTo(st *gateway.Stats) {
	for i := range c.Handshakes {
		st.Handshakes[reason.HandshakeLabel(i)] += c.Handshakes[i].Load()
	}
	for i := range c.Closes {
		if reason.Close(i) != reason.None {
			st.Closes[reason.Close(i).Label()] += c.Closes[i].Load()
		}
	}
	for i := range c.Tokens {
		st.TokensRefused[token.Reason(i).String()] += c.Tokens[i].Load()
	}
	for i := range c.TLS {
		st.TLSHandshakes[transport.Result(i).String()] += c.TLS[i].Load()
	}
	// What ended is read before what was matched, so Queued is never too low.
	st.Written += c.Written.Load()
	for i := range c.Dropped {
		st.Dropped[reason.Drop(i).Label()] += c.Dropped[i].Load()
	}
	st.QueuedBytes += int(c.QueuedBytes.Load())
	st.MessagesIn += c.MessagesIn.Load()
	st.PutOff += c.PutOff.Load()
	st.HeadBytes += int(c.HeadBytes.Load())
	st.BytesIn += c.BytesIn.Load()
	st.BytesOut += c.BytesOut.Load()
	st.Pings += c.Pings.Load()
	st.Writes += c.Writes.Load()
	st.Panics += c.Panics.Load()
	st.LoopLag = max(st.LoopLag, time.Duration(c.Lag.Load()))
	c.Turns.AddTo(&st.Turns)
	c.PushTimes.AddTo(&st.PushTimes)
	c.Inflate.addTo(st)
}

// Delivered ends a delivery with success.
func (c *Counters) Delivered(f *frames.Frame) {
	if !f.Counted {
		return
	}
	c.Written.Add(1)
	if f.Wait != nil {
		f.Wait.Written()
	}
	if f.Timed() {
		c.timeLater(f)
	}
}

// timeLater notes that a delivery of a timed push has ended, until settle: the count is
// one that the loops share, and a slice of writes mostly carries one push. Only the loop.
func (c *Counters) timeLater(f *frames.Frame) {
	if f != c.ending {
		c.Settle()
		c.ending = f
	}
	c.endings++
}

// Settle counts what timeLater has noted. Only the loop.
func (c *Counters) Settle() {
	if f := c.ending; f != nil {
		c.timed(f, c.endings)
		c.ending, c.endings = nil, 0
	}
}

// timed notes that n deliveries of a push have ended. If they were the last it counts how
// long the push took. Any goroutine.
func (c *Counters) timed(f *frames.Frame, n int) {
	if f.Timed() && f.Ended(n) {
		c.timedPush(f, true)
	}
}

// TimeOf tells a push that is timed how many deliveries it has. Any goroutine.
func (c *Counters) TimeOf(f *frames.Frame, matched int) {
	if f.Timed() && f.Matched(matched) {
		c.timedPush(f, matched > 0)
	}
}

// timedPush ends the timing of a push, and counts its time if it was to somebody.
func (c *Counters) timedPush(f *frames.Frame, count bool) {
	if count {
		c.PushTimes.Observe(c.Elapsed() - f.Began())
	}
	if f.Many() {
		c.Timing.end(f.Began())
	}
}

// Drop ends a delivery without success.
func (c *Counters) Drop(f *frames.Frame, why reason.Drop) {
	if !f.Counted {
		return
	}
	c.Dropped[why].Add(1)
	if f.Wait != nil {
		f.Wait.Dropped(1)
	}
	c.timed(f, 1)
}

// DropMany ends n deliveries without success.
func (c *Counters) DropMany(f *frames.Frame, n int, why reason.Drop) {
	c.Dropped[why].Add(uint64(n))
	if f.Wait != nil {
		f.Wait.Dropped(n)
	}
	c.timed(f, n)
}

// InflateFailure says why a compressed message was not taken.
type InflateFailure uint8

const (
	InflateInvalid InflateFailure = iota // no deflate stream, or one that is cut
	InflateUTF8                          // text that is not UTF-8
	InflateTooBig                        // more than Config.MaxMessage
	numInflateFailures
)

var inflateLabels = [numInflateFailures]string{InflateInvalid: "invalid", InflateUTF8: "invalid_utf8", InflateTooBig: "too_big"}

// Inflated are a loop's.
type Inflated struct {
	Messages   atomic.Uint64
	Compressed atomic.Uint64 // compressed bytes of them
	Inflated   atomic.Uint64 // bytes that they inflated to
	Failures   [numInflateFailures]atomic.Uint64
}

// addTo adds the loop's to a reading. Any goroutine.
func (c *Inflated) addTo(st *gateway.Stats) {
	st.Inflated += c.Messages.Load()
	st.InflatedBefore += c.Compressed.Load()
	st.InflatedAfter += c.Inflated.Load()
	for i := range c.Failures {
		st.InflateErrors[inflateLabels[i]] += c.Failures[i].Load()
	}
}

// MaxTiming is how long a push to many that waits for a slow client keeps others from
// being timed.
const MaxTiming = time.Second

// PushTimer chooses which pushes to many are timed. Any goroutine.
type PushTimer struct {
	Began atomic.Int64 // when the one that is timed was asked for; 0: none is
}

// Begin tells whether a push that was asked for at a time is to be timed.
func (t *PushTimer) Begin(at time.Duration) bool {
	timed := t.Began.Load()
	return (timed == 0 || int64(at)-timed >= int64(MaxTiming)) && t.Began.CompareAndSwap(timed, int64(at))
}

// end makes room for the next one, if that which was asked for at a time is timed still.
func (t *PushTimer) end(at time.Duration) { t.Began.CompareAndSwap(int64(at), 0) }
