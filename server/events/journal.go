package events

import (
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"castgate/server/events/internal/store"
)

// journal writes what happens to the store. It is one goroutine.
type journal struct {
	events  *Events
	store   *store.Store
	inbox   *inbox
	ledger  ledger
	present *presence // nil unless uids are told of
	encoder encoder

	spare  []happening
	batch  []store.Record
	ends   []int // of each record's payload in arena
	arena  []byte
	places []byte // as last written
	placed uint64 // number of the record that holds them
	moved  bool   // places differ from those that were written
	wrote  time.Time
	moves  []move // of what is carried along, once it is written
	stamps uint64 // how many it has made

	passing passing

	newest uint64 // number of the last event, as subscribers get it

	writing atomic.Bool // what was taken from the inbox may not be in the store yet
}

const (
	// cycleTime is the least time between two syncs: at a high rate events share one.
	cycleTime = 3 * time.Millisecond
	// placesTime is the least time between two records of places.
	placesTime = 250 * time.Millisecond
	// batchLen is the most bytes of records that are written at once.
	batchLen = 1 << 20
	// quietTime is after how long without anything to write buffers are given back.
	quietTime = time.Second
	// diskPause is how long the journal waits for a disk that takes nothing.
	diskPause = 500 * time.Millisecond
)

// run writes until stop is closed, and then what is left.
func (j *journal) run(stop <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(j.pause())
		stopping := false
		select {
		case <-j.inbox.wake:
		case <-j.events.moves:
			j.moved = true
		case <-timer.C:
			j.rest()
		case <-stop:
			stopping = true
		}
		began := time.Now()
		if !j.cycle(stop) || stopping {
			return
		}
		if rest := cycleTime - time.Since(began); rest > 0 {
			time.Sleep(rest)
		}
	}
}

// pause is how long nothing need be done unless something happens.
func (j *journal) pause() time.Duration {
	d := time.Minute
	if j.arena != nil {
		d = quietTime
	}
	if j.moved {
		d = placesTime
	}
	if j.present != nil {
		if at, ok := j.present.next(); ok {
			d = min(d, max(time.Millisecond, time.Duration(at-j.events.steady())*time.Microsecond))
		}
	}
	return d
}

// cycle writes what has happened. It returns false if it was stopped while the
// disk took nothing.
func (j *journal) cycle(stop <-chan struct{}) (goOn bool) {
	defer func() {
		if p := recover(); p != nil {
			j.events.log.Error("defect in the events' journal", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			j.clear()
			j.passing.end(&j.events.room)
			goOn = true
		}
	}()
	// Set before anything is taken and cleared once it is written: see Events.busy.
	j.writing.Store(true)
	defer j.writing.Store(false)
	ending := j.events.ending.Load()
	now := j.events.now()
	for i := range j.inbox.shards {
		queue, lost, gone := j.inbox.shards[i].take(j.spare)
		j.passing.take(queue)
		for k := range queue {
			j.write(&queue[k])
			queue[k] = happening{}
			if len(j.arena) > j.batchLen() && !j.flush(stop) {
				return false
			}
		}
		j.spare = queue
		if cap(queue) > 4096 {
			j.spare = nil
		}
		if lost > 0 {
			j.events.count.overflowed.Add(lost)
			j.lost(lost, "overflow", now)
		}
		for _, g := range gone {
			j.forgotten(g)
			if len(j.arena) > j.batchLen() && !j.flush(stop) {
				return false
			}
		}
	}
	j.clusterNews(now)
	j.offline(now)
	if j.moved && now.Sub(j.wrote) >= placesTime {
		j.writePlaces(now)
	}
	if !j.flush(stop) {
		return false
	}
	j.trim(now)
	j.measure()
	if ending {
		j.events.ended.Store(true)
	}
	return true
}

// batchLen is how many bytes of records are written at once.
func (j *journal) batchLen() int { return int(min(batchLen, j.events.segmentLen)) }

// flush appends what was written, and waits for a disk that is full or broken.
func (j *journal) flush(stop <-chan struct{}) bool {
	if len(j.batch) == 0 {
		return true // of what has no event the end of the cycle gives room back
	}
	from := 0
	for i, end := range j.ends {
		j.batch[i].Payload = j.arena[from:end:end]
		from = end
	}
	for {
		err := j.store.Append(j.batch)
		if err == nil {
			j.unstick()
			break
		}
		j.stick(err)
		j.freeUnwritten()
		select {
		case <-stop:
			return false
		case <-time.After(diskPause):
		}
	}
	j.events.count.written.Add(uint64(len(j.batch)))
	j.clear()
	j.passing.settle(j.events)
	return true
}

// stick notes and says that the disk takes nothing.
func (j *journal) stick(err error) {
	j.events.count.unwritten.Store(int64(len(j.arena)))
	j.events.count.writeErrors.Add(1)
	if !j.events.count.stuck.Swap(true) {
		j.events.log.Error("events cannot be written; trying again", "err", err)
	}
}

// unwritten is how many events the disk has not taken, once the journal has ended.
func (j *journal) unwritten() (n int) {
	for i := range j.batch {
		if j.batch[i].Kind == kindEvent {
			n++
		}
	}
	return n
}

// unstick notes that the disk has taken what was written.
func (j *journal) unstick() {
	j.events.count.unwritten.Store(0)
	if j.events.count.stuck.Swap(false) {
		j.events.log.Info("events are written again")
	}
}

// rest gives buffers back: they are as large as the last burst was.
func (j *journal) rest() {
	j.batch, j.ends, j.arena, j.spare, j.encoder.b = nil, nil, nil, nil, nil
	j.store.Rest()
	for i := range j.inbox.shards {
		s := &j.inbox.shards[i]
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.queue = nil
		}
		s.mu.Unlock()
	}
	for _, s := range *j.events.subscribers.Load() {
		for _, l := range s.lanes {
			l.rest()
		}
	}
}

func (j *journal) clear() {
	clear(j.batch)
	j.batch, j.ends, j.arena = j.batch[:0], j.ends[:0], j.arena[:0]
	if cap(j.arena) > 4*batchLen {
		j.arena = nil
	}
}

// number is that of the next record.
func (j *journal) number() uint64 { return j.store.Next() + uint64(len(j.batch)) }

// record adds a record whose payload was appended to arena.
func (j *journal) record(kind byte) {
	j.batch = append(j.batch, store.Record{Kind: kind})
	j.ends = append(j.ends, len(j.arena))
}

// event adds a record with a header.
func (j *journal) event(kind byte, h *header, body []byte) {
	if kind == kindEvent {
		j.newest = j.number()
	}
	j.arena = append(h.append(j.arena), body...)
	j.record(kind)
}

// write takes a happening down.
func (j *journal) write(h *happening) {
	j.passing.due += h.room
	told := j.events.config.Types.Has(h.kind)
	number := j.number()
	if sequence, ok := j.ledger.note(h.kind, h.key, number, told); ok && (told || h.kind != Message && j.events.hidden) {
		kind := byte(kindHidden)
		if told {
			kind = kindEvent
			j.events.count.happened[h.kind].Add(1)
		}
		hd := header{kind: h.kind, lane: laneOf(h.key), instance: j.events.run, key: h.key, sequence: sequence, at: h.at}
		j.event(kind, &hd, j.encoder.client(h, number, sequence))
	}
	if j.present != nil {
		j.presence(h)
	}
}

// lost adds the event that stands for others.
func (j *journal) lost(count uint64, why string, now time.Time) {
	number := j.number()
	h := header{kind: Lost, instance: j.events.run, at: now.UnixMicro()}
	j.event(kindEvent, &h, j.encoder.lost(number, h.at, count, why))
	j.events.count.happened[Lost].Add(1)
}

// forgotten says the end of a client of which the inbox had no room for more than
// its key: what else there is to say, its last event says.
func (j *journal) forgotten(g gone) {
	st, ok := j.ledger.clients[g.key]
	if !ok {
		return
	}
	t := j.standing(st.number)
	if j.present != nil {
		j.presence(&happening{kind: Disconnected, uid: orEmpty(t.Data.UID), at: g.at})
	}
	j.end(remnant{j.events.run, g.key}, st, t, g.at, g.reason)
	delete(j.ledger.clients, g.key)
}

// standing reads the last event of a client, be it written already or not.
func (j *journal) standing(number uint64) *told {
	var body []byte
	if next := j.store.Next(); number >= next {
		i := int(number - next)
		from := 0
		if i > 0 {
			from = j.ends[i-1]
		}
		_, body, _ = parseHeader(j.arena[from:j.ends[i]])
	} else if rec, ok, err := j.store.NewReader(number).Next(); err == nil && ok && rec.Number == number {
		_, body, _ = parseHeader(rec.Payload)
	}
	t := &told{}
	_ = json.Unmarshal(body, t) // of a damaged record nothing is known
	return t
}

// end says the end of a client that its server has not said whole.
func (j *journal) end(who remnant, st standing, t *told, at int64, reason string) {
	kind, sequence := byte(kindHidden), st.sequence
	if j.events.config.Types.Has(Disconnected) {
		kind = kindEvent
		sequence++
		j.events.count.happened[Disconnected].Add(1)
	}
	h := header{kind: Disconnected, lane: laneOf(who.key), instance: who.instance, key: who.key, sequence: sequence, at: at}
	j.event(kind, &h, j.encoder.ended(t, j.number(), at, instanceText(who.instance), sequence, reason))
}

// measure takes down how much waits.
func (j *journal) measure() {
	j.passing.settle(j.events)
	j.events.count.clients.Store(int64(len(j.ledger.clients)))
	if j.present != nil {
		j.events.count.uids.Store(int64(len(j.present.uids)))
	}
	j.events.release()
}
