package loop

import (
	"castgate/server/frames"
	"castgate/server/internal/table"
)

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
	frame   *frames.Frame
	one     table.Handle
	list    []table.Handle
	members table.Snapshot
	exclude []table.Handle // sorted
	mark    uint64         // cmdAll: clients registered later are not meant
	matched int            // cmdAll: clients that are
	started bool           // cmdSnapshot: fanout.walking is in the middle of it
	// uncounted tells a loop to count whom a cmdSnapshot is for: the pusher has
	// not looked, as that costs more than the push.
	uncounted bool
	kick      *KickOrder
	run       func(*loop)
	cost      int64 // of room in the mailbox
}

// commandQueue are the commands that the loop has taken from its mailbox and has
// not carried out.
type commandQueue struct {
	loop  *loop
	batch []command
	next  int // first of batch not done
}

// collect takes what has been posted. It returns false if there is an older batch, which
// comes first.
func (q *commandQueue) collect() bool {
	if len(q.batch) > 0 {
		return false
	}
	q.batch = q.loop.mail.collect(q.batch[:0])
	return true
}

// busy tells whether commands are left.
func (q *commandQueue) busy() bool { return len(q.batch) > 0 }

// end counts the deliveries of what is not carried out any more.
func (q *commandQueue) end() {
	for i := range q.batch[q.next:] {
		q.loop.fanout.abandon(&q.batch[q.next+i])
	}
	q.batch, q.next = q.loop.mail.collect(nil), 0
	for i := range q.batch {
		q.loop.fanout.abandon(&q.batch[i])
	}
	q.batch = nil
}

// obey carries out commands in their order, as many as a turn may.
func (q *commandQueue) obey() (stop bool) {
	deliveries := turnDeliveries
	for n := 0; n < turnCommands && q.next < len(q.batch) && deliveries > 0; n++ {
		cmd := &q.batch[q.next]
		switch cmd.kind {
		case cmdOne:
			q.loop.fanout.deliverOne(cmd)
			deliveries--
		case cmdList:
			q.loop.fanout.deliverList(cmd)
			deliveries -= len(cmd.list)
		case cmdSnapshot:
			if deliveries = q.loop.fanout.deliverMembers(cmd, deliveries); cmd.started {
				return false
			}
		case cmdAll:
			q.loop.fanout.broadcast(cmd)
			cmd.cost = 0 // released when the walk is done
		case cmdKick:
			q.loop.exit.kick(cmd)
		case cmdDrain:
			q.loop.drain.begin(cmd.matched)
		case cmdFunc:
			cmd.run(q.loop)
		case cmdStop:
			q.next++
			return true
		}
		q.loop.mail.release(cmd.cost)
		q.next++
	}
	if q.next == len(q.batch) {
		q.recycle()
	}
	return false
}

// recycle empties the batch, now and not at the next bell: an idle loop must hold
// no frames.
func (q *commandQueue) recycle() {
	clear(q.batch)
	if q.batch, q.next = q.batch[:0], 0; cap(q.batch) > maxIdleCap {
		q.batch = nil
	}
}
