package server

import "castgate/server/internal/table"

// A client that sends faster than whoever is told of its messages can take them
// is held: its socket is not read, so that TCP slows it down, and what was read
// already waits in its inbound. Pushes to it go on.

// held tells whether a client is not read.
func (c *conn) held() bool { return c.in != nil && c.in.held }

// holdClient stops reading a client until unholdClient. What has been read of it
// and not taken up stays in in, which is c's.
func (r *reader) holdClient(slot uint32, c *conn, in *inbound) {
	in.held = true
	r.loop.count.held.Add(1)
	if !r.pause(c) {
		r.loop.exit.closeNow(slot, c, closeInternal)
	}
}

// unholdClient reads a held client again. It returns whether the connection is still
// there.
func (r *reader) unholdClient(slot uint32, c *conn) bool {
	in := c.in
	in.held = false
	if !r.resume(c) {
		r.loop.exit.closeNow(slot, c, closeInternal)
		return false
	}
	c.silentSince = r.loop.clock.now() // the time in which nobody listened does not count
	r.putOff(slot, c)
	return true
}

// Resume has clients read again of which Events.Message has said TakenEnough,
// by their connection ids. Any goroutine.
func (s *Loops) Resume(connections []uint32) {
	eachConnection(s, connections, resumeHeld)
}

func resumeHeld(l *loop, slot uint32, c *conn) {
	if c.held() {
		l.reader.unholdClient(slot, c)
	}
}

// Abandon breaks the connections of clients that nobody is there to serve, by
// their connection ids. Any goroutine.
func (s *Loops) Abandon(connections []uint32) {
	eachConnection(s, connections, func(l *loop, slot uint32, c *conn) {
		if c.state == connOpen {
			l.exit.abort(slot, c, closeNoWorker)
		}
	})
}

// eachConnection has the loops do something with the connections of some ids
// that are still there.
func eachConnection(s *Loops, connections []uint32, do func(l *loop, slot uint32, c *conn)) {
	if s.ids.Peers == nil || len(connections) == 0 {
		return
	}
	handles := make([]table.Handle, 0, len(connections))
	for _, id := range connections {
		if h := s.ids.Peers.Handle(id); h != 0 {
			handles = append(handles, h)
		}
	}
	eachHandle(s.loops, handles, do)
}

// eachHandle has the loops do something with the connections that handles name and
// that are still there.
func eachHandle(loops []*loop, handles []table.Handle, do func(l *loop, slot uint32, c *conn)) {
	lists := make([][]table.Handle, len(loops))
	for _, h := range handles {
		lists[h.Loop()] = append(lists[h.Loop()], h)
	}
	for i, list := range lists {
		if len(list) == 0 {
			continue
		}
		loops[i].mail.post(command{kind: cmdFunc, run: func(l *loop) {
			for _, h := range list {
				if c := l.conn(h.Slot()); c != nil && c.gen == h.Gen() {
					do(l, h.Slot(), c)
				}
			}
		}})
	}
}
