package server

import (
	"castgate/server/frames"
	"castgate/server/internal/table"
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
	log    []broadcast // those that some client may not have had, oldest first
	seq    uint32      // of the newest ever
	cursor uint32      // next slot to visit
	round  uint64      // walks over all slots done
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
func (fo *fanout) busy() bool { return len(fo.log) > 0 || !fo.urgent.empty() || !fo.bulk.empty() }

// queued tells whether pushes to all wait for one another.
func (fo *fanout) queued() bool { return len(fo.log) > 1 }

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
		fo.loop.count.matched.Add(1)
	}
}

// deliverTo gives a frame to the client a handle names and notes the client in
// a list of those to write.
func (fo *fanout) deliverTo(h table.Handle, f *frames.Frame, list *slotList) {
	slot := h.Slot()
	c := fo.loop.receiver(h)
	if c == nil {
		fo.loop.count.drop(f, dropClosed)
		return
	}
	if !fo.catchUp(slot, c) {
		fo.loop.count.drop(f, dropClosed)
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
		if c.first != 0 && !c.is(flagBlocked) {
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
		fo.loop.count.drop(cmd.frame, dropClosed)
	case cmdList:
		fo.loop.count.dropMany(cmd.frame, len(cmd.list), dropClosed)
	case cmdAll:
		fo.loop.count.dropMany(cmd.frame, cmd.matched, dropClosed)
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
					fo.loop.count.drop(cmd.frame, dropClosed)
				}
			}
		}
	}
}

// end drops what clients have not been given of the log.
func (fo *fanout) end() {
	for i := range fo.log {
		b := &fo.log[i]
		fo.loop.count.dropMany(b.frame, b.matched-b.ended, dropClosed)
	}
	fo.log = nil
}
