package loop

import (
	"castgate/server/frames"
	"castgate/server/internal/rounds"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

// fanout gives pushes to the loop's clients: those to a few at once, those to many
// and to all a slice at a time. It knows who has something to write, and has that
// written in the loop's turns.
type fanout struct {
	loop *loop

	urgent  slotList       // to write first: targets of pushes to few
	bulk    slotList       // to write a slice at a time
	walking table.Iter     // members left of a cmdSnapshot that is under way
	handles []table.Handle // a buffer for some of them

	// The log of pushes to all, and the walk that carries it to every slot.
	log    rounds.Log[broadcast] // those that some client may not have had
	cursor uint32                // next slot to visit
}

func newFanout(l *loop) fanout {
	return fanout{
		loop: l, urgent: slotList{flag: flagUrgent}, bulk: slotList{flag: flagBulk},
		handles: make([]table.Handle, 512),
	}
}

// turn writes a slice.
func (fo *fanout) turn() {
	budget := fo.flushList(&fo.urgent, turnWrites)
	budget = fo.walk(max(budget, turnWrites/4))
	fo.flushList(&fo.bulk, max(budget, turnWrites/4))
}

// busy tells whether somebody has yet to be written to.
func (fo *fanout) busy() bool { return fo.log.Len() > 0 || !fo.urgent.empty() || !fo.bulk.empty() }

// queued tells whether pushes to all wait for one another.
func (fo *fanout) queued() bool { return fo.log.Len() > 1 }

// deliverOne gives a frame to the client of a cmdOne.
func (fo *fanout) deliverOne(cmd *command) { fo.deliverTo(cmd.one, cmd.frame, &fo.urgent) }

// deliverList gives a frame to the clients of a cmdList.
func (fo *fanout) deliverList(cmd *command) {
	list := &fo.urgent
	if len(cmd.list) > turnWrites/2 {
		list = &fo.bulk
	}
	for _, h := range cmd.list {
		fo.deliverTo(h, cmd.frame, list)
	}
}

// deliverMembers gives the frame to the next members of a cmdSnapshot, and returns
// what is left of the budget.
func (fo *fanout) deliverMembers(cmd *command, budget int) int {
	if !cmd.started {
		fo.walking, cmd.started = cmd.members.Iter(fo.loop.idx), true
	}
	for budget > 0 {
		n := fo.walking.Next(fo.handles)
		if n == 0 {
			cmd.started = false
			break
		}
		for _, h := range fo.handles[:n] {
			if !table.Contains(cmd.exclude, h) {
				fo.countLate(cmd)
				fo.deliverTo(h, cmd.frame, &fo.bulk)
			}
		}
		budget -= n
	}
	return budget
}

// countLate counts one more client that a command is for, if nobody has yet.
func (fo *fanout) countLate(cmd *command) {
	if cmd.uncounted {
		fo.loop.count.Matched.Add(1)
	}
}

// deliverTo gives a frame to the client a handle names and notes the client in
// a list of those to write.
func (fo *fanout) deliverTo(h table.Handle, f *frames.Frame, list *slotList) {
	slot := h.Slot()
	c := fo.loop.receiver(h)
	if c == nil {
		fo.loop.count.Drop(f, reason.DropClosed)
		return
	}
	if !fo.catchUp(slot, c) {
		fo.loop.count.Drop(f, reason.DropClosed)
		return
	}
	if fo.loop.writer.deliver(slot, c, f) {
		mark(slot, c, list)
	}
}

// flushList writes to the connections of a list, at most budget of them, and
// returns what is left of the budget.
func (fo *fanout) flushList(q *slotList, budget int) int {
	for q.next < len(q.slots) && budget > 0 {
		slot := q.slots[q.next]
		q.next++
		c := fo.loop.conn(slot)
		if c == nil || !c.is(q.flag) {
			continue // closed meanwhile
		}
		c.clear(q.flag)
		if !c.out.Empty() && !c.is(flagBlocked) {
			fo.loop.writer.flush(slot, c)
			budget--
		}
	}
	q.recycle()
	return budget
}

// abandon counts the deliveries of a command that will not be carried out. Any
// goroutine, for a command that the loop has not begun.
func (fo *fanout) abandon(cmd *command) {
	switch cmd.kind {
	case cmdOne:
		fo.loop.count.Drop(cmd.frame, reason.DropClosed)
	case cmdList:
		fo.loop.count.DropMany(cmd.frame, len(cmd.list), reason.DropClosed)
	case cmdAll:
		fo.loop.count.DropMany(cmd.frame, cmd.matched, reason.DropClosed)
	case cmdSnapshot:
		members := cmd.members.Iter(fo.loop.idx)
		if cmd.started {
			members = fo.walking
		}
		var buf [64]table.Handle
		for n := members.Next(buf[:]); n > 0; n = members.Next(buf[:]) {
			for _, h := range buf[:n] {
				if !table.Contains(cmd.exclude, h) {
					fo.countLate(cmd)
					fo.loop.count.Drop(cmd.frame, reason.DropClosed)
				}
			}
		}
	}
}

// end drops what clients have not been given of the log.
func (fo *fanout) end() {
	for _, b := range fo.log.All() {
		fo.loop.count.DropMany(b.Value.frame, b.Meant-b.Given, reason.DropClosed)
	}
	fo.log.End()
}

// A push to all is not handed out at once: it goes into the loop's log, and
// the loop walks over its connections, a slice at a time, giving each what it
// has not had yet. So a broadcast costs O(1) until a client's turn comes;
// broadcasts that pile up reach a client together, in one write; and whatever
// else is for a client first gives it the broadcasts that are older (catchUp),
// so that its order holds without waiting for the walk.

// broadcast is one push to all, on one loop.
type broadcast struct {
	frame   *frames.Frame
	mark    uint64 // clients registered later are not meant
	exclude []table.Handle
	cost    int64
}

// broadcast puts a push to all into the log.
func (fo *fanout) broadcast(cmd *command) {
	fo.log.Append(broadcast{frame: cmd.frame, mark: cmd.mark, exclude: cmd.exclude, cost: cmd.cost}, cmd.matched, fo.cursor)
}

// enroll begins with a new client: it gets the pushes to all from now on.
func (fo *fanout) enroll(c *conn) { c.seenAll = fo.log.Seq() }

// catchUp gives an open client all broadcasts it has not had. It returns
// whether the connection is still there and open.
func (fo *fanout) catchUp(slot uint32, c *conn) bool {
	if c.seenAll == fo.log.Seq() {
		return true
	}
	newer := fo.log.Newer(c.seenAll)
	c.seenAll = fo.log.Seq() - uint32(len(newer))
	for i := range newer {
		e := &newer[i]
		b := &e.Value
		c.seenAll = e.Seq
		if b.mark < c.mark || table.Contains(b.exclude, fo.loop.handle(slot, c)) {
			continue
		}
		e.Given++
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
	for fo.log.Len() > 0 && budget > 0 && visits > 0 {
		if fo.cursor >= extent {
			fo.cursor = 0
			fo.log.Around()
		}
		if fo.log.Done(fo.cursor) {
			fo.retire()
			continue
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
		if c.state != connOpen || c.seenAll == fo.log.Seq() {
			continue
		}
		if fo.catchUp(slot, c) && !c.out.Empty() && !c.is(flagBlocked) {
			fo.loop.writer.flush(slot, c)
			budget--
		}
	}
	return budget
}

// maxVisits bounds the connections one slice of the walk looks at.
const maxVisits = 16384

// retire takes the oldest broadcast off the log, which the walk has carried to every slot.
// Clients that it was meant for and that are gone count as dropped.
func (fo *fanout) retire() {
	b := fo.log.Retire()
	if gone := b.Meant - b.Given; gone > 0 {
		fo.loop.count.DropMany(b.Value.frame, gone, reason.DropClosed)
	}
	fo.loop.mail.release(b.Value.cost)
}

// slotList is a queue of connections whose turn is to come. Each list has a flag,
// so that a connection is in it once.
type slotList struct {
	flag  connFlags
	slots []uint32
	next  int
}

func (q *slotList) empty() bool { return q.next == len(q.slots) }

// mark notes that c has something to write, unless its socket is full: then
// the poller tells when it goes on.
func mark(slot uint32, c *conn, q *slotList) {
	if c.flags&(q.flag|flagBlocked) == 0 && !c.out.Empty() {
		c.set(q.flag)
		q.slots = append(q.slots, slot)
	}
}

// recycle makes room once every connection of the list has had its turn.
func (q *slotList) recycle() {
	if q.empty() {
		q.slots, q.next = q.slots[:0], 0
		if cap(q.slots) > maxIdleCap {
			q.slots = nil
		}
	}
}
