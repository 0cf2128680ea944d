package events

import "sync"

// item is an event that waits for its subscriber.
type item struct {
	number  uint64 // of its record; 0: it stands for lost events
	key     uint64 // of its client
	body    []byte // JSON, until the event leaves its lane: who keeps it longer copies it
	block   *block // of the shelf, in which body is; nil: in none
	tries   int    // attempts in which it was alone and failed, each after others were accepted
	seen    uint64 // how many requests were accepted when it failed last
	skipped bool   // it was told out of turn, when the one before it blocked
}

// lane is the part of a subscriber's events that are told one after the other.
// mu guards all but what is said to be the sender's.
type lane struct {
	index int
	wake  chan struct{} // capacity 1: more waits

	mu    sync.Mutex
	queue []item
	shelf shelf // of bodies
	bytes int
	next  uint64 // events of lower numbers are in the queue, or told
	turns uint64 // how often it went back

	mostBytes int // what may wait in the queue
	batch     int // Config.Batch

	sent []item // what the last request was made of, to be used again

	// The sender's.
	size     int    // how many events go in one request; less than Config.Batch after a failure
	failures int    // in a row
	turn     uint64 // turns when it took its last batch
}

// What may wait in memory in a lane, less of it with a small quota. The rest waits
// in the store.
const (
	laneItems = 2000
	laneBytes = 256 << 10
	// maxBody is how many bytes of events a request has, but for one event that is
	// longer alone.
	maxBody = 1 << 20
)

// room tells whether more may be read for the lane.
func (l *lane) room() bool { return len(l.queue) < laneItems && l.bytes < l.mostBytes }

// push adds an event with a number of at least next and a body, which is copied. It wakes
// the sender if that makes a difference to it: it has slept, or has waited for a full
// request.
func (l *lane) push(it item, body []byte) {
	it.body, it.block = l.shelf.put(body)
	l.queue = append(l.queue, it)
	l.bytes += len(it.body)
	if n := len(l.queue); n == 1 || n == l.batch {
		l.ring()
	}
}

func (l *lane) ring() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// place is the lowest number of an event that has not been told; all lower ones
// have. memory is how many have lower numbers than dropped, which the store has no
// more.
func (l *lane) place(dropped uint64) (lowest, memory uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lowest = l.next
	for i := range l.queue {
		n := l.queue[i].number
		if n == 0 || l.queue[i].skipped {
			continue
		}
		lowest = min(lowest, n)
		if n >= dropped {
			break
		}
		memory++
	}
	return lowest, memory
}

// first returns the events of the next request: as many as size says, and fit. They
// are valid until the next call.
func (l *lane) first() (batch []item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropSkipped()
	l.turn = l.turns
	bytes := 0
	batch = l.sent[:0]
	for i := range l.queue {
		it := &l.queue[i]
		if it.skipped || len(batch) == l.size || bytes+len(it.body) > maxBody && i > 0 {
			break
		}
		bytes += len(it.body)
		batch = append(batch, *it)
	}
	l.sent = batch
	return batch
}

// waits is how many events there are.
func (l *lane) waits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// dropSkipped takes events out that were told out of turn and are at the front
// now.
func (l *lane) dropSkipped() {
	for len(l.queue) > 0 && l.queue[0].skipped {
		l.cut(1)
	}
}

// cut takes the first events out.
func (l *lane) cut(n int) {
	for i := range n {
		l.bytes -= len(l.queue[i].body)
		l.shelf.took(l.queue[i].block)
	}
	left := copy(l.queue, l.queue[n:]) // the array is used again
	clear(l.queue[left:])
	l.queue = l.queue[:left]
}

// rest gives arrays back in the quiet.
func (l *lane) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		l.queue, l.sent = nil, nil
		l.shelf.leave()
	}
}

// done takes the events of the last batch out. False: the lane went back meanwhile,
// and will tell them again.
func (l *lane) done(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != l.turns {
		return false
	}
	l.cut(n)
	l.dropSkipped()
	return true
}

// blocked notes that the first event has failed alone when so many requests of all
// lanes were accepted, and returns it as it is now. counts: others were accepted
// since it failed before.
func (l *lane) blocked(accepted uint64) (it item, counts bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != l.turns {
		return item{}, false
	}
	first := &l.queue[0]
	if counts = first.tries == 0 || accepted > first.seen; counts {
		first.tries++
	}
	first.seen = accepted
	return *first, counts
}

// other returns the first event of another client than the first one's.
func (l *lane) other() (it item, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn != l.turns {
		return item{}, false
	}
	for i := 1; i < len(l.queue); i++ {
		if it := l.queue[i]; it.key != l.queue[0].key && !it.skipped && it.number > 0 {
			return it, true
		}
	}
	return item{}, false
}

// skip notes that an event was told out of turn.
func (l *lane) skip(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.queue {
		if l.queue[i].number == number {
			l.queue[i].skipped = true
		}
	}
}

// rewind goes back to a number: what is in the queue is read again.
func (l *lane) rewind(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number >= l.next {
		return
	}
	kept := l.queue[:0]
	l.bytes = 0
	l.shelf.leave() // the sender may be telling some of them
	for _, it := range l.queue {
		if it.number == 0 { // it stands for lost events, which are in no record
			it.block = nil
			kept = append(kept, it)
			l.bytes += len(it.body)
		}
	}
	clear(l.queue[len(kept):])
	l.queue, l.next = kept, number
	l.turns++
}
