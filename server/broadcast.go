package server

import "castgate/server/internal/table"

// A push to all is not handed out at once: it goes into the loop's log, and
// the loop walks over its connections, a slice at a time, giving each what it
// has not had yet. So a broadcast costs O(1) until a client's turn comes;
// broadcasts that pile up reach a client together, in one write; and whatever
// else is for a client first gives it the broadcasts that are older (catchUp),
// so that its order holds without waiting for the walk.

// broadcast is one push to all, on one loop.
type broadcast struct {
	frame   *frame
	seq     uint32
	mark    uint64 // clients registered later are not meant
	exclude []table.Handle
	matched int    // clients meant
	ended   int    // deliveries that were given to their client
	start   uint32 // slot where the walk stood
	round   uint64 // and its round
	cost    int64
}

// broadcasts is the log of a loop and the place of its walk.
type broadcasts struct {
	log    []broadcast // those that some client may not have had, oldest first
	seq    uint32      // of the newest ever
	cursor uint32      // next slot to visit
	round  uint64      // walks over all slots done
}

// broadcast puts a push to all into the log.
func (l *loop) broadcast(cmd *command) {
	b := &l.all
	b.seq++
	b.log = append(b.log, broadcast{
		frame: cmd.frame, seq: b.seq, mark: cmd.mark, exclude: cmd.exclude,
		matched: cmd.matched, start: b.cursor, round: b.round, cost: cmd.cost,
	})
}

// catchUp gives an open client all broadcasts it has not had. It returns
// whether the connection is still there and open.
func (l *loop) catchUp(slot uint32, c *conn) bool {
	if len(l.all.log) == 0 || c.seenAll == l.all.seq {
		c.seenAll = l.all.seq
		return true
	}
	for i := range l.all.log {
		b := &l.all.log[i]
		if int32(b.seq-c.seenAll) <= 0 {
			continue
		}
		c.seenAll = b.seq
		if b.mark < c.mark || excluded(b.exclude, l.handle(slot, c)) {
			continue
		}
		b.ended++
		if !l.deliver(slot, c, b.frame) {
			return false
		}
	}
	return true
}

// walk visits connections for the log until the budget of writes is spent or
// every broadcast has been round. It returns what is left of the budget.
func (l *loop) walk(budget int) int {
	extent := l.slots.extent()
	visits := maxVisits
	for len(l.all.log) > 0 && budget > 0 && visits > 0 {
		if l.all.cursor >= extent {
			l.all.cursor = 0
			l.all.round++
		}
		l.retire()
		if len(l.all.log) == 0 {
			break
		}
		ch := l.slots.chunkAt(l.all.cursor)
		if ch == nil {
			l.all.cursor += chunkLen - l.all.cursor%chunkLen
			visits -= 8 // a chunk that is not there costs a lookup, not a walk
			continue
		}
		slot := l.all.cursor
		c := &ch.conns[slot%chunkLen]
		l.all.cursor++
		visits--
		if c.state != connOpen || c.seenAll == l.all.seq {
			continue
		}
		if l.catchUp(slot, c) && c.head != 0 && !c.is(flagBlocked) {
			l.flush(slot, c)
			budget--
		}
	}
	return budget
}

// maxVisits bounds the connections one slice of the walk looks at.
const maxVisits = 16384

// retire takes broadcasts off the log that the walk has carried to every slot.
// Clients they were meant for and that are gone count as dropped.
func (l *loop) retire() {
	n := 0
	for n < len(l.all.log) {
		b := &l.all.log[n]
		if done := l.all.round > b.round+1 || l.all.round == b.round+1 && l.all.cursor >= b.start; !done {
			break
		}
		if gone := b.matched - b.ended; gone > 0 {
			l.dropMany(b.frame, gone, dropClosed)
		}
		l.mail.release(b.cost)
		l.all.log[n] = broadcast{}
		n++
	}
	if n == 0 {
		return
	}
	if n == len(l.all.log) {
		l.all.log = l.all.log[:0]
		if cap(l.all.log) > maxIdleCap {
			l.all.log = nil
		}
		return
	}
	l.all.log = l.all.log[n:]
}
