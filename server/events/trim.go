package events

import (
	"encoding/json"
	"time"

	"castgate/server/events/internal/store"
)

// The oldest segment of the store is dropped when everybody was told of what is in
// it and it is old enough, or when the quota is full. What it says of clients that
// are still there is carried along: after a crash their end must be said. So a
// segment that is full of such clients is not dropped before the log is twice as
// long as what must be carried, or it would be written again and again.

const (
	// slack is how many segments there are at least before one is dropped for order.
	slack = 4
	// mostSegments is how many there may be, which are open files.
	mostSegments = 256
	// turnSegments is how many are dropped in a cycle.
	turnSegments = 4
)

// trim drops what need not be kept.
func (j *journal) trim(now time.Time) {
	for range turnSegments {
		oldest, ok := j.store.Oldest()
		if !ok || !j.mayDrop(&oldest, now) {
			return
		}
		if err := j.drop(&oldest); err != nil {
			j.events.log.Error("a segment of the event log cannot be deleted", "err", err)
			return
		}
	}
	j.inbox.ring() // there may be more
}

func (j *journal) mayDrop(oldest *store.Segment, now time.Time) bool {
	size := j.store.Size()
	if size > j.events.quota {
		return true
	}
	if oldest.End > j.events.lowest() || now.Sub(oldest.Last) < j.events.config.Keep || len(*j.events.subscribers.Load()) == 0 {
		return false
	}
	return size > 2*j.carried()+slack*j.events.segmentLen || j.store.Segments() > mostSegments
}

// carried is about how many bytes clients and uids take that must be carried
// along.
func (j *journal) carried() int64 {
	n := len(j.ledger.clients)
	if j.present != nil {
		n += len(j.present.uids)
	}
	return int64(n) * standingLen
}

// drop drops the oldest segment.
func (j *journal) drop(oldest *store.Segment) error {
	carry := j.events.hidden && j.events.config.Dir != "" && j.carried() <= j.events.quota/2
	counts := &laneCounts{}
	r := j.store.NewReader(oldest.First)
	for r.Number() < oldest.End {
		rec, ok, err := r.Next()
		if err != nil {
			return err
		}
		if !ok || rec.Number >= oldest.End {
			break
		}
		h, body, err := parseHeader(rec.Payload)
		if rec.Kind == kindPlaces || err != nil {
			continue
		}
		if rec.Kind == kindEvent {
			counts.add(h.lane, rec.Number)
		}
		if carry {
			j.carry(&h, rec.Number, body)
		}
	}
	for _, s := range *j.events.subscribers.Load() {
		s.forget(oldest.First, oldest.End, counts.from)
	}
	j.events.dropped.Store(oldest.End)
	j.wrote = time.Time{}
	j.writePlaces(j.events.now())
	if j.placed < oldest.End && j.places != nil {
		j.addPlaces()
	}
	if err := j.append(); err != nil {
		return err
	}
	return j.store.DropOldest()
}

// move is where something is known from, once it is written.
type move struct {
	key    uint64
	uid    *presentUID // nil: a client
	number uint64
}

// append writes what was added, once. After an error all is as it was.
func (j *journal) append() error {
	from := 0
	for i, end := range j.ends {
		j.batch[i].Payload = j.arena[from:end:end]
		from = end
	}
	err := j.store.Append(j.batch)
	if err != nil {
		j.placed = 0
	} else {
		for _, m := range j.moves {
			if m.uid != nil {
				m.uid.number = m.number
				continue
			}
			j.ledger.moved(m.key, m.number)
		}
	}
	j.moves = j.moves[:0]
	j.clear()
	return err
}

// rests tells whether a record is the one from which something is known that must
// be carried along.
func (j *journal) rests(h *header, number uint64, body []byte) (u *presentUID, rests bool) {
	switch h.kind {
	case Connected, Bound, Unbound:
		return nil, h.instance == j.events.run && j.ledger.rests(h, number)
	case UIDOnline:
		if j.present != nil {
			uid, _ := uidOf(body)
			u = j.present.uids[uid]
		}
		return u, u != nil && u.number == number
	}
	return nil, false
}

// carry writes again what a record says of a client or uid, if nothing newer does.
func (j *journal) carry(h *header, number uint64, body []byte) {
	u, rests := j.rests(h, number, body)
	if !rests {
		return
	}
	j.moves = append(j.moves, move{h.key, u, j.number()})
	if u != nil {
		uid, _ := uidOf(body)
		j.event(kindCarried, h, j.encoder.carryUID(eventID(body), uid))
		return
	}
	var t told
	_ = json.Unmarshal(body, &t)
	hd := *h
	hd.sequence = j.ledger.clients[h.key].sequence
	j.event(kindCarried, &hd, j.encoder.carry(&t))
}

// freeUnwritten drops the oldest segment if nothing of it need be kept, while the
// disk takes nothing.
func (j *journal) freeUnwritten() {
	oldest, ok := j.store.Oldest()
	if !ok || oldest.End > j.events.lowest() || oldest.End > j.placed {
		return
	}
	for r := j.store.NewReader(oldest.First); ; {
		rec, ok, err := r.Next()
		if err != nil {
			return
		}
		if !ok || rec.Number >= oldest.End {
			break
		}
		if h, body, err := parseHeader(rec.Payload); err == nil && rec.Kind != kindPlaces {
			if _, rests := j.rests(&h, rec.Number, body); rests {
				return
			}
		}
	}
	_ = j.store.DropOldest()
}

// laneCounts counts the events of a segment by lane.
type laneCounts struct{ numbers [lanes][]uint64 }

func (c *laneCounts) add(lane uint8, number uint64) {
	c.numbers[lane] = append(c.numbers[lane], number)
}

// from is how many events of a lane have a number of at least from.
func (c *laneCounts) from(lane int, from uint64) (n uint64) {
	for _, number := range c.numbers[lane] {
		if number >= from {
			n++
		}
	}
	return n
}
