package names

// Shards is how many parts a Set has. A part grows by itself, so that no more than
// one is copied at a time.
const Shards = 256

const (
	hashBits  = 48
	stateBits = 16
	restBits  = hashBits - 8 // what a shard's hashes differ in
)

// leastSlots is the size of a shard with its first hash.
const leastSlots = 8

// Set is a set of hashes, each with a state of 16 bits: open addressing with linear
// probing in slots of 8 bytes, between 64 and 80 % of them in use. The zero value is
// empty. Not for several goroutines at once.
type Set struct {
	shards [Shards]shard
	n      int
}

type shard struct {
	slots []uint64 // hash and state; 0 is an empty one
	n     int
}

func shardOf(hash uint64) int { return int(hash >> restBits) }

func (s *shard) home(hash uint64) int {
	return int((hash & (1<<restBits - 1)) * uint64(len(s.slots)) >> restBits)
}

// find is where a hash is, or where it would be.
func (s *shard) find(hash uint64) (at int, ok bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	for at = s.home(hash); s.slots[at] != 0; {
		if s.slots[at]>>stateBits == hash {
			return at, true
		}
		if at++; at == len(s.slots) {
			at = 0
		}
	}
	return at, false
}

// Len is the number of hashes.
func (t *Set) Len() int { return t.n }

// Get returns the state of a hash, and whether it is there.
func (t *Set) Get(hash uint64) (state uint16, ok bool) {
	s := &t.shards[shardOf(hash)]
	at, ok := s.find(hash)
	if !ok {
		return 0, false
	}
	return uint16(s.slots[at]), true
}

// Put adds a hash, 1 to 1<<48-1, or changes its state.
func (t *Set) Put(hash uint64, state uint16) {
	s := &t.shards[shardOf(hash)]
	at, ok := s.find(hash)
	if !ok {
		if 5*(s.n+1) > 4*len(s.slots) {
			s.resize(max(leastSlots, len(s.slots)+len(s.slots)/4))
			at, _ = s.find(hash)
		}
		s.n++
		t.n++
	}
	s.slots[at] = hash<<stateBits | uint64(state)
}

// Delete removes a hash, if it is there. Those after it that were pushed past their
// home move up.
func (t *Set) Delete(hash uint64) {
	s := &t.shards[shardOf(hash)]
	gap, ok := s.find(hash)
	if !ok {
		return
	}
	size := len(s.slots)
	for i := (gap + 1) % size; s.slots[i] != 0; i = (i + 1) % size {
		home := s.home(s.slots[i] >> stateBits)
		if (i-home+size)%size >= (i-gap+size)%size {
			s.slots[gap], gap = s.slots[i], i
		}
	}
	s.slots[gap] = 0
	s.n--
	t.n--
	if len(s.slots) > leastSlots && 5*s.n < 2*len(s.slots) {
		s.resize(max(leastSlots, s.n+s.n/2))
	}
}

func (s *shard) resize(size int) {
	old := s.slots
	s.slots = make([]uint64, size)
	for _, slot := range old {
		if slot != 0 {
			at, _ := s.find(slot >> stateBits)
			s.slots[at] = slot
		}
	}
}

// AppendShard appends the hashes of one part, 0 to Shards-1.
func (t *Set) AppendShard(dst []uint64, part int) []uint64 {
	for _, slot := range t.shards[part].slots {
		if slot != 0 {
			dst = append(dst, slot>>stateBits)
		}
	}
	return dst
}
