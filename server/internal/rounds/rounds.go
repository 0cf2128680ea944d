// Package rounds is the log of things that a walk over many places carries to each of them.
//
// The walk goes through the places in their order, again and again. What is appended to the
// log has been carried to all places once the walk has come round to where it stood then. A
// place may also be given what it has yet to get before the walk comes to it.
package rounds

// Entry is one thing in a log.
type Entry[T any] struct {
	Value T
	Seq   uint32 // its number
	Meant int    // how many places it is meant for
	Given int    // how many of them have got it, by the owner's count

	start uint32 // where the walk stood
	round uint64 // and in which round
}

// Log is what some place may not have got yet, oldest first. It is not safe for use by
// several goroutines. The zero value is empty.
type Log[T any] struct {
	entries []Entry[T]
	retired int    // how many of entries are, at their beginning
	seq     uint32 // of the newest ever
	round   uint64
}

// Append adds something that is meant for so many places, with the walk at a place.
func (l *Log[T]) Append(v T, meant int, at uint32) {
	if l.seq++; l.retired > 0 && len(l.entries) == cap(l.entries) {
		n := copy(l.entries, l.All())
		clear(l.entries[n:])
		l.entries, l.retired = l.entries[:n], 0
	}
	l.entries = append(l.entries, Entry[T]{Value: v, Seq: l.seq, Meant: meant, start: at, round: l.round})
}

// Seq is the number of the newest entry ever: a place that has seen it has got all.
func (l *Log[T]) Seq() uint32 { return l.seq }

// Len is how many entries some place may not have got.
func (l *Log[T]) Len() int { return len(l.entries) - l.retired }

// Newer are the entries for a place that has seen one with this number, oldest first. Numbers
// wrap around.
func (l *Log[T]) Newer(seen uint32) []Entry[T] {
	return l.entries[len(l.entries)-int(min(l.seq-seen, uint32(l.Len()))):]
}

// All are all entries, oldest first.
func (l *Log[T]) All() []Entry[T] { return l.entries[l.retired:] }

// Around is called when the walk begins at the first place again.
func (l *Log[T]) Around() { l.round++ }

// Done reports whether the oldest entry has been carried to every place, with the walk about
// to come to one.
func (l *Log[T]) Done(at uint32) bool {
	if l.Len() == 0 {
		return false
	}
	e := &l.entries[l.retired]
	return l.round > e.round+1 || l.round == e.round+1 && at >= e.start
}

// maxIdle is the largest capacity of an empty log that is kept.
const maxIdle = 16384

// Retire takes the oldest entry off.
func (l *Log[T]) Retire() (e Entry[T]) {
	e, l.entries[l.retired] = l.entries[l.retired], Entry[T]{}
	if l.retired++; l.Len() > 0 {
		return e
	}
	if l.entries, l.retired = l.entries[:0], 0; cap(l.entries) > maxIdle {
		l.entries = nil
	}
	return e
}

// End drops all entries.
func (l *Log[T]) End() { l.entries, l.retired = nil, 0 }
