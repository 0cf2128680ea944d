package swarm

// indices is a queue of a loop's connections. Its length is bounded by the rate
// at which a connection can open and leave, and by Config.Timeout, after which
// the first entry is removed. The zero value is empty.
type indices struct {
	all   []int32
	first int // all[:first] were removed
}

func (q *indices) empty() bool { return q.first == len(q.all) }

// oldest is the oldest entry; there must be one.
func (q *indices) oldest() int { return int(q.all[q.first]) }

// pop removes the oldest entry.
func (q *indices) pop() int {
	i := q.oldest()
	q.first++
	if q.empty() {
		q.all, q.first = q.all[:0], 0
	}
	return i
}

// push appends i.
func (q *indices) push(i int) {
	if q.first > 1024 && q.first > len(q.all)/2 {
		q.all = append(q.all[:0], q.all[q.first:]...)
		q.first = 0
	}
	q.all = append(q.all, int32(i))
}
