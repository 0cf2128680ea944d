package server

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
	if c.flags&(q.flag|flagBlocked) == 0 && c.first != 0 {
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
