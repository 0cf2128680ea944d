package loadtest

// indices is a queue of a loop's connections. What goes in is bounded by the
// rate at which one connection can be opened and left, and by Config.Timeout,
// at which the first is taken out at the latest. The zero value is empty.
type indices struct {
	all  []int32
	head int // all[:head] have been taken
}

func (q *indices) empty() bool { return q.head == len(q.all) }

// first is the oldest, of which there must be one.
func (q *indices) first() int { return int(q.all[q.head]) }

// pop takes the oldest.
func (q *indices) pop() int {
	i := q.first()
	q.head++
	if q.empty() {
		q.all, q.head = q.all[:0], 0
	}
	return i
}

// push puts i behind all others.
func (q *indices) push(i int) {
	if q.head > 1024 && q.head > len(q.all)/2 {
		q.all = append(q.all[:0], q.all[q.head:]...)
		q.head = 0
	}
	q.all = append(q.all, int32(i))
}
