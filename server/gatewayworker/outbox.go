package gatewayworker

import (
	"encoding/binary"
	"slices"
)

// outbox is what waits to be written to a connection. Of a worker's it also keeps the
// events that its kernel may not have: if the worker goes, they go to another one.
type outbox struct {
	bytes []byte // from sent on: not yet written
	sent  int
	keeps bool // it is a worker's

	// Of a worker.
	firstEvent int   // in bytes: the first event that its kernel may not have
	mixed      bool  // there are replies between the events
	writes     []int // in bytes: the ends of writes whose bytes that kernel may not have
}

// keepOut is the largest capacity in bytes of an empty buffer that is kept. A full
// buffer is cut when this many bytes of it have been written.
const keepOut = 64 << 10

// waiting is the number of unwritten bytes.
func (o *outbox) waiting() int { return len(o.bytes) - o.sent }

// unsent is what has not been written yet.
func (o *outbox) unsent() []byte { return o.bytes[o.sent:] }

// ofWorker begins to keep events. What was added before are replies, which are not kept.
func (o *outbox) ofWorker() { o.keeps, o.firstEvent = true, len(o.bytes) }

// ofCaller ends that.
func (o *outbox) ofCaller() { o.keeps = false }

// replied records that a reply was added. After a reply to a worker nobody can tell any more
// where its events begin, so none is kept.
func (o *outbox) replied() { o.mixed = o.mixed || o.keeps }

// wrote records that the kernel has accepted n more bytes, and frees memory.
func (o *outbox) wrote(n int) {
	o.sent += n
	done := o.sent
	if o.keeps && !o.mixed {
		done = min(done, o.firstEvent)
		if n > 0 {
			o.writes = append(o.writes, o.sent)
		}
	}
	switch {
	case done == len(o.bytes):
		o.bytes, o.sent, o.firstEvent, o.writes = o.bytes[:0], 0, 0, o.writes[:0]
		if cap(o.bytes) > keepOut {
			o.bytes = nil
		}
	case done > keepOut && done > len(o.bytes)/2:
		o.bytes = o.bytes[:copy(o.bytes, o.bytes[done:])]
		o.sent -= done
		o.firstEvent = max(o.firstEvent-done, 0)
		for i := range o.writes {
			o.writes[i] -= done
		}
	}
}

// drop drops everything.
func (o *outbox) drop() { o.bytes, o.sent = o.bytes[:0], 0 }

// undecided is how many written bytes of events are kept.
func (o *outbox) undecided() int { return o.sent - o.firstEvent }

// full reports whether so many written events are kept that it is time to ask the kernel
// which of them the worker's kernel has.
func (o *outbox) full() bool { return o.keeps && !o.mixed && o.undecided() > keepOut }

// settle records that the worker's kernel has all written bytes of events except
// the last n. They are dropped.
func (o *outbox) settle(n int) {
	n = min(n, o.undecided())
	o.firstEvent = o.events(o.sent - n)
	o.writes = append(o.writes[:0], o.writes[o.firstWrite(n):]...)
	o.wrote(0)
}

// firstWrite is the index of the first write that is not entirely among all but the
// last n written bytes.
func (o *outbox) firstWrite(n int) int {
	i, _ := slices.BinarySearch(o.writes, o.sent-n+1)
	return i
}

// unread is how many of the last n written bytes a worker has certainly not read.
// The worker has reset the connection without acknowledging them, and the last
// unsent of them are still in our kernel. A kernel acknowledges a segment at once
// when it is read, unless the process does not answer it; then it may take 40 ms.
// So the first of several unacknowledged writes may have been read. If there is
// only one, it has not been read: without unread data there would have been no
// reset.
func (o *outbox) unread(n, unsent int) int {
	i := o.firstWrite(n)
	if i < len(o.writes) && o.writes[i] < o.sent-unsent {
		return o.sent - o.writes[i]
	}
	return n
}

// events returns the start of the first event that ends after end.
func (o *outbox) events(end int) int {
	at := o.firstEvent
	for at+4 <= end {
		next := at + int(binary.BigEndian.Uint32(o.bytes[at:]))
		if next > end {
			break
		}
		at = next
	}
	return at
}

// takeBack removes the events of which nothing has been written, and returns them.
func (o *outbox) takeBack() []byte {
	if o.mixed {
		return nil
	}
	at := o.events(o.sent)
	if at < o.sent { // the rest of it must follow
		at += int(binary.BigEndian.Uint32(o.bytes[at:]))
	}
	events := append([]byte(nil), o.bytes[at:]...)
	o.bytes = o.bytes[:at]
	return events
}

// unwritten returns a copy of the events that have not been written completely.
func (o *outbox) unwritten() []byte { return o.lost(0) }

// lost returns a copy of the events that a worker did not get completely if its
// kernel does not have the last n written bytes.
func (o *outbox) lost(n int) []byte {
	if o.mixed {
		return nil
	}
	return append([]byte(nil), o.bytes[o.events(max(o.sent-n, o.firstEvent)):]...)
}
