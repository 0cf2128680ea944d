package server

import "castgate/server/internal/table"

// commandKind says what a loop is asked to do.
type commandKind uint8

const (
	cmdOne      commandKind = iota // give frame to one client
	cmdList                        // give frame to the clients of a list
	cmdSnapshot                    // give frame to the members of a uid or group
	cmdAll                         // give frame to every client
	cmdKick                        // close one client
	cmdDrain                       // close every client at a bounded rate
	cmdFunc                        // run a function on the loop
	cmdStop                        // end the loop at once
)

// command is one entry of a mailbox.
type command struct {
	kind    commandKind
	frame   *frame
	one     table.Handle
	list    []table.Handle
	members table.Snapshot
	exclude []table.Handle // sorted
	mark    uint64         // cmdAll: clients registered later are not meant
	matched int            // cmdAll: clients that are
	started bool           // cmdSnapshot: loop.walking is in the middle of it
	// uncounted tells a loop to count whom a cmdSnapshot is for: the pusher has
	// not looked, as that costs more than the push.
	uncounted bool
	kick      *kickOrder
	run       func(*loop)
	cost      int64 // of room in the mailbox
}

// recycle empties a list of commands, so that nothing stays behind in it.
func recycle(batch []command) []command {
	clear(batch)
	if cap(batch) > maxIdleCap {
		return nil
	}
	return batch[:0]
}

// obey takes up commands in their order, as many as a turn may.
func (l *loop) obey() (stop bool) {
	deliveries := turnDeliveries
	for n := 0; n < turnCommands && l.next < len(l.batch) && deliveries > 0; n++ {
		cmd := &l.batch[l.next]
		switch cmd.kind {
		case cmdOne:
			l.deliverTo(cmd.one, cmd.frame, &l.urgent)
			deliveries--
		case cmdList:
			list := &l.urgent
			if len(cmd.list) > turnWrites/2 {
				list = &l.bulk
			}
			for _, h := range cmd.list {
				l.deliverTo(h, cmd.frame, list)
			}
			deliveries -= len(cmd.list)
		case cmdSnapshot:
			if deliveries = l.deliverMembers(cmd, deliveries); cmd.started {
				return false
			}
		case cmdAll:
			l.broadcast(cmd)
			cmd.cost = 0 // released when the walk is done
		case cmdKick:
			l.kick(cmd)
		case cmdDrain:
			l.beginDrain(cmd.matched)
		case cmdFunc:
			cmd.run(l)
		case cmdStop:
			l.next++
			return true
		}
		l.mail.release(cmd.cost)
		l.next++
	}
	return false
}

// deliverMembers gives the frame to the next members of a snapshot.
func (l *loop) deliverMembers(cmd *command, budget int) int {
	if !cmd.started {
		l.walking, cmd.started = cmd.members.Iter(l.idx), true
	}
	for budget > 0 {
		n := l.walking.Next(l.handles)
		if n == 0 {
			cmd.started = false
			break
		}
		for _, h := range l.handles[:n] {
			if !excluded(cmd.exclude, h) {
				l.countLate(cmd)
				l.deliverTo(h, cmd.frame, &l.bulk)
			}
		}
		budget -= n
	}
	return budget
}

// countLate counts one more client that a command is for, if nobody has yet.
func (l *loop) countLate(cmd *command) {
	if cmd.uncounted {
		l.count.matched.Add(1)
	}
}

// deliverTo gives a frame to the client a handle names and notes the client in
// a list of those to write.
func (l *loop) deliverTo(h table.Handle, f *frame, list *slotList) {
	slot := h.Slot()
	c := l.receiver(h)
	if c == nil {
		l.drop(f, dropClosed)
		return
	}
	if !l.catchUp(slot, c) {
		l.drop(f, dropClosed)
		return
	}
	if l.deliver(slot, c, f) {
		l.mark(slot, c, list)
	}
}

// abandon counts the deliveries of a command that will not be carried out.
func (l *loop) abandon(cmd *command) {
	switch cmd.kind {
	case cmdOne:
		l.drop(cmd.frame, dropClosed)
	case cmdList:
		l.dropMany(cmd.frame, len(cmd.list), dropClosed)
	case cmdAll:
		l.dropMany(cmd.frame, cmd.matched, dropClosed)
	case cmdSnapshot:
		members := cmd.members.Iter(l.idx)
		if cmd.started {
			members = l.walking
		}
		var buf [64]table.Handle
		for n := members.Next(buf[:]); n > 0; n = members.Next(buf[:]) {
			for _, h := range buf[:n] {
				if !excluded(cmd.exclude, h) {
					l.countLate(cmd)
					l.drop(cmd.frame, dropClosed)
				}
			}
		}
	}
}
