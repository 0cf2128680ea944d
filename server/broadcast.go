package server

import (
	"castgate/server/frames"
	"castgate/server/internal/table"
)

// A push to all is not handed out at once: it goes into the loop's log, and
// the loop walks over its connections, a slice at a time, giving each what it
// has not had yet. So a broadcast costs O(1) until a client's turn comes;
// broadcasts that pile up reach a client together, in one write; and whatever
// else is for a client first gives it the broadcasts that are older (catchUp),
// so that its order holds without waiting for the walk.

// broadcast is one push to all, on one loop.
type broadcast struct {
	frame   *frames.Frame
	seq     uint32
	mark    uint64 // clients registered later are not meant
	exclude []table.Handle
	matched int    // clients meant
	ended   int    // deliveries that were given to their client
	start   uint32 // slot where the walk stood
	round   uint64 // and its round
	cost    int64
}

// broadcast puts a push to all into the log.
func (fo *fanout) broadcast(cmd *command) {
	fo.seq++
	fo.log = append(fo.log, broadcast{
		frame: cmd.frame, seq: fo.seq, mark: cmd.mark, exclude: cmd.exclude,
		matched: cmd.matched, start: fo.cursor, round: fo.round, cost: cmd.cost,
	})
}

// enroll begins with a new client: it gets the pushes to all from now on.
func (fo *fanout) enroll(c *conn) { c.seenAll = fo.seq }

// catchUp gives an open client all broadcasts it has not had. It returns
// whether the connection is still there and open.
func (fo *fanout) catchUp(slot uint32, c *conn) bool {
	if len(fo.log) == 0 || c.seenAll == fo.seq {
		c.seenAll = fo.seq
		return true
	}
	for i := range fo.log {
		b := &fo.log[i]
		if int32(b.seq-c.seenAll) <= 0 {
			continue
		}
		c.seenAll = b.seq
		if b.mark < c.mark || table.Contains(b.exclude, fo.loop.handle(slot, c)) {
			continue
		}
		b.ended++
		if !fo.loop.writer.deliver(slot, c, b.frame) {
			return false
		}
	}
	return true
}

// walk visits connections for the log until the budget of writes is spent or
// every broadcast has been round. It returns what is left of the budget.
func (fo *fanout) walk(budget int) int {
	extent := fo.loop.slots.extent()
	visits := maxVisits
	for len(fo.log) > 0 && budget > 0 && visits > 0 {
		if fo.cursor >= extent {
			fo.cursor = 0
			fo.round++
		}
		fo.retire()
		if len(fo.log) == 0 {
			break
		}
		ch := fo.loop.slots.chunkAt(fo.cursor)
		if ch == nil {
			fo.cursor += chunkLen - fo.cursor%chunkLen
			visits -= 8 // a chunk that is not there costs a lookup, not a walk
			continue
		}
		slot := fo.cursor
		c := &ch.conns[slot%chunkLen]
		fo.cursor++
		visits--
		if c.state != connOpen || c.seenAll == fo.seq {
			continue
		}
		if fo.catchUp(slot, c) && c.first != 0 && !c.is(flagBlocked) {
			fo.loop.writer.flush(slot, c)
			budget--
		}
	}
	return budget
}

// maxVisits bounds the connections one slice of the walk looks at.
const maxVisits = 16384

// retire takes broadcasts off the log that the walk has carried to every slot.
// Clients they were meant for and that are gone count as dropped.
func (fo *fanout) retire() {
	n := 0
	for n < len(fo.log) {
		b := &fo.log[n]
		if done := fo.round > b.round+1 || fo.round == b.round+1 && fo.cursor >= b.start; !done {
			break
		}
		if gone := b.matched - b.ended; gone > 0 {
			fo.loop.count.dropMany(b.frame, gone, dropClosed)
		}
		fo.loop.mail.release(b.cost)
		fo.log[n] = broadcast{}
		n++
	}
	if n == 0 {
		return
	}
	if n == len(fo.log) {
		fo.log = fo.log[:0]
		if cap(fo.log) > maxIdleCap {
			fo.log = nil
		}
		return
	}
	fo.log = fo.log[n:]
}
