package names

import "sync"

// Change is one change of a node's names: a hash, and whether it is removed.
type Change uint64

const removed = 1

// Add and Remove make changes.
func Add(hash uint64) Change    { return Change(hash << 1) }
func Remove(hash uint64) Change { return Change(hash<<1 | removed) }

// Hash is what the change is about, Removes whether it takes it away.
func (c Change) Hash() uint64  { return uint64(c) >> 1 }
func (c Change) Removes() bool { return c&removed != 0 }

// Limits.
const (
	// logLen is how many changes can be told again.
	logLen = 1 << 16
	// MaxChanges is how many changes one message has.
	MaxChanges = 4096
	// maxUnheard is how many names that were added, and that not all have heard of, are
	// known one by one.
	maxUnheard = 1 << 16
)

// A state of an own name: how many there are with the hash, whether it is in the queue
// of those that linger, and when the last of them went.
const (
	countMask = 1<<9 - 1 // this many stay for ever
	queuedBit = 1 << 9
	stampBits = 6
	stampAt   = 10
)

// lingerTicks is how many ticks a name is kept after its last client has gone, at
// least; a name may come back within twice that without a message.
const lingerTicks = 8

// Own are the names that this node holds, and the numbered changes of them. Positions
// begin at 1; position p comes before the change with the number p. Any goroutine.
type Own struct {
	wake   func()
	faults Faults

	mu      sync.Mutex // guards all below; nothing is called with it
	set     Set
	log     [logLen]Change
	pos     uint64
	sent    uint64            // up to where the others were told
	unheard map[uint64]uint64 // hash → position after it was added
	heardBy uint64            // up to where all have heard
	crowded uint64            // position up to which some are not in unheard
	linger  []uint64          // hash and tick, the oldest first
	tick    uint64
}

// Faults are mistakes that Own makes on purpose, in tests.
type Faults struct {
	NoLinger      bool // a name is removed once its last client is gone
	ForgetRebirth bool // a name that has come back while it lingered is removed
}

// NewOwn returns a node's names, none yet. wake is called when there is something to
// tell, with locks held: it must neither block nor call back.
func NewOwn(wake func(), f Faults) *Own {
	return &Own{wake: wake, faults: f, pos: 1, sent: 1, heardBy: 1, unheard: map[uint64]uint64{}}
}

// Born notes that a name has come into use here, Gone that one has gone out of use.
func (o *Own) Born(hash uint64) {
	o.mu.Lock()
	o.born(hash)
	o.mu.Unlock()
}

func (o *Own) born(hash uint64) {
	state, ok := o.set.Get(hash)
	if !ok {
		o.change(Add(hash))
		if len(o.unheard) < maxUnheard {
			o.unheard[hash] = o.pos
		} else {
			o.crowded = o.pos
		}
	}
	if state&countMask < countMask {
		state++
	}
	o.set.Put(hash, state)
}

// Gone is the reverse of Born.
func (o *Own) Gone(hash uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state, ok := o.set.Get(hash)
	if !ok || state&countMask == 0 || state&countMask == countMask {
		return
	}
	if state--; state&countMask == 0 {
		state = state&queuedBit | uint16(o.tick%(1<<stampBits))<<stampAt
		if state&queuedBit == 0 {
			state |= queuedBit
			o.linger = append(o.linger, hash<<stateBits|o.tick%(1<<stateBits))
		}
		if o.faults.NoLinger {
			o.remove(hash)
			return
		}
	}
	o.set.Put(hash, state)
}

func (o *Own) change(c Change) {
	o.log[o.pos%logLen] = c
	o.pos++
	o.wake()
}

func (o *Own) remove(hash uint64) {
	o.set.Delete(hash)
	delete(o.unheard, hash)
	o.change(Remove(hash))
}

// Hold announces names that are about to be used, as Born does, and returns the
// position that all others must have heard of before they can be: 0 if all have
// heard of them already. Each Hold is followed by a Gone for each.
func (o *Own) Hold(hashes []uint64) (need uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range hashes {
		o.born(h)
		need = max(need, o.unheard[h])
	}
	if o.crowded > o.heardBy {
		need = max(need, o.crowded)
	}
	if need <= o.heardBy {
		return 0
	}
	return need
}

// Holds tells whether one of the names is in use here, or lingers.
func (o *Own) Holds(hashes []uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, h := range hashes {
		if _, ok := o.set.Get(h); ok {
			return true
		}
	}
	return false
}

// Sweep removes names that have lingered, a limited number at once. ticks is a time
// in units of which lingerTicks are the time that names are kept.
func (o *Own) Sweep(ticks uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick = ticks
	for range min(len(o.linger), MaxChanges) {
		head := o.linger[0]
		if (ticks-head)%(1<<stateBits) < lingerTicks {
			return
		}
		o.linger = o.linger[1:]
		hash := head >> stateBits
		state, ok := o.set.Get(hash)
		switch age := (ticks - uint64(state>>stampAt)) % (1 << stampBits); {
		case !ok || state&queuedBit == 0:
		case state&countMask > 0 && !o.faults.ForgetRebirth:
			o.set.Put(hash, state&^queuedBit)
		case age >= lingerTicks || state&countMask > 0:
			o.remove(hash)
		default: // it was in use again meanwhile
			o.linger = append(o.linger, hash<<stateBits|ticks%(1<<stateBits))
		}
	}
	if len(o.linger) == 0 {
		o.linger = nil
	}
}

// Take returns changes that the others have not been told of, MaxChanges at most, and
// the position before them.
func (o *Own) Take() (after uint64, changes []Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pos-o.sent > logLen { // they will ask for all
		o.sent = o.pos
	}
	after = o.sent
	changes = o.between(after, min(o.pos, after+MaxChanges))
	o.sent = after + uint64(len(changes))
	return after, changes
}

func (o *Own) between(from, to uint64) (changes []Change) {
	for ; from < to; from++ {
		changes = append(changes, o.log[from%logLen])
	}
	return changes
}

// Since returns changes that were told after a position, MaxChanges at most. ok is
// false if they are not known any more.
func (o *Own) Since(from uint64) (changes []Change, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if from == 0 || from > o.sent || o.pos-from > logLen {
		return nil, false
	}
	return o.between(from, min(o.sent, from+MaxChanges)), true
}

// Part returns hashes of the set from a part on, at least one part and about
// MaxChanges of them, and the part that comes next.
func (o *Own) Part(part int) (pos uint64, hashes []uint64, next int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for next = part; next < Shards && (next == part || len(hashes) < MaxChanges); next++ {
		hashes = o.set.AppendShard(hashes, next)
	}
	return o.pos, hashes, next
}

// Told is up to where the others were told.
func (o *Own) Told() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
}

// Len is how many names there are, with those that linger.
func (o *Own) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.set.Len()
}

// HeardBy notes that all others have heard up to a position.
func (o *Own) HeardBy(all uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all = min(all, o.pos)
	if all-o.heardBy > logLen && all > o.heardBy {
		for h, at := range o.unheard {
			if at <= all {
				delete(o.unheard, h)
			}
		}
		o.heardBy = all
	}
	for ; o.heardBy < all; o.heardBy++ {
		if h := o.log[o.heardBy%logLen].Hash(); o.unheard[h] == o.heardBy+1 {
			delete(o.unheard, h)
		}
	}
}
