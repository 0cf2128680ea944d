package events

import (
	"sync"

	"castgate/server/gateway"
)

// inbox is the border between the server and the journal: what the one says waits
// for the other to write it. It is bounded. Nobody waits for anything but a short
// lock, and all that is said of one client goes through the same shard, in order.
type inbox struct {
	wake   chan struct{} // capacity 1
	shards [inboxShards]shard
}

const (
	inboxShards = 8
	// shardRoom is how many bytes may wait in a shard. When the disk hangs, that is
	// some 15,000 events.
	shardRoom = 8 << 20
)

// fullShard is from how many bytes on clients wait that send messages. The rest is for
// those who have begun one, and for what else happens.
const fullShard = shardRoom / 4

// mostMessages is how much of a shard messages may fill. The rest is for what else
// happens, which cannot be refused.
const mostMessages = shardRoom / 4 * 3

type shard struct {
	mu    sync.Mutex
	queue []happening
	bytes int
	lost  uint64 // since the journal came last
	gone  []gone // whose end found no room
	_     [64]byte
}

// gone is the end of a client of which only this could be kept. There are never
// more than clients.
type gone struct {
	key    uint64
	at     int64
	reason string
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put queues a happening. False: there was no room. Any goroutine.
func (b *inbox) put(h *happening) bool {
	s := &b.shards[mix(h.key)%inboxShards]
	weight := h.weight()
	s.mu.Lock()
	full := s.bytes > 0 && s.bytes+weight > shardRoom || len(s.gone) > 0 && h.kind != Disconnected
	switch {
	case !full && (len(s.gone) == 0 || h.kind != Disconnected):
		s.queue = append(s.queue, *h)
		s.bytes += weight
	case h.kind == Disconnected:
		s.gone = append(s.gone, gone{h.key, h.at, h.reason})
		full = false
	default:
		s.lost++
	}
	s.mu.Unlock()
	b.ring()
	return !full
}

// ring wakes the journal. Any goroutine.
func (b *inbox) ring() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns what waits in a shard, and how many found no room behind that. Its
// arguments are reused.
func (s *shard) take(reuse []happening) (queue []happening, lost uint64, ends []gone) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue, s.queue = s.queue, reuse[:0]
	lost, ends = s.lost, s.gone
	s.bytes, s.lost, s.gone = 0, 0, nil
	return queue, lost, ends
}

// waiting is how many bytes wait, at least 1 if anything does.
func (b *inbox) waiting() (bytes int) {
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		bytes += s.bytes + len(s.gone)
		s.mu.Unlock()
	}
	return bytes
}

// mix spreads the bits of a key.
func mix(key uint64) uint64 {
	key ^= key >> 33
	key *= 0xff51afd7ed558ccd
	key ^= key >> 33
	return key
}

// roomFor tells whether a message of so many bytes may be queued, and whether its
// shard is so full then that its client had better wait.
func (b *inbox) roomFor(key uint64, n int) (room, full bool) {
	s := &b.shards[mix(key)%inboxShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	after := s.bytes + n + happeningLen
	return len(s.gone) == 0 && (s.bytes == 0 || after <= mostMessages), after > fullShard
}

var _ gateway.Watcher = (*Events)(nil)
