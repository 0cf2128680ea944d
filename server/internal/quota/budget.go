package quota

// Budget is memory that strangers hold for a while, each in one of some networks (see
// Network), with a limit on all of it. When it is exceeded, memory is taken back from the
// networks that hold most of it, the oldest first: so it comes from whoever holds it, and a
// stranger with much cannot have what others hold taken away. A Budget is not safe for use by
// several goroutines.
type Budget[K comparable] struct {
	limit    int
	least    int // a network that holds less has one holder
	held     int
	count    int
	order    []K            // holders, oldest first; some have given back since
	networks map[uint64]int // bytes
}

// NewBudget returns a budget of so many bytes, of which one holder has at most most.
func NewBudget[K comparable](limit, most int) Budget[K] {
	return Budget[K]{limit: limit, least: most, networks: map[uint64]int{}}
}

// Held is how many bytes are held, and by how many.
func (b *Budget[K]) Held() (bytes, holders int) { return b.held, b.count }

// spareOrder is how many entries of order may be of holders that have given back.
const spareOrder = 64

// Join adds a holder that holds nothing yet. holds reports of each whether it still is one.
func (b *Budget[K]) Join(k K, holds func(K) bool) {
	b.count++
	if len(b.order) > 2*b.count+spareOrder {
		b.sweep(holds)
	}
	b.order = append(b.order, k)
}

// Grow counts bytes more of a holder. It returns false if the limit is exceeded: then call
// Relieve.
func (b *Budget[K]) Grow(network uint64, bytes int) bool {
	b.held += bytes
	b.networks[network] += bytes
	return b.held <= b.limit
}

// Leave counts a holder no more, which has held so many bytes.
func (b *Budget[K]) Leave(network uint64, bytes int) {
	b.held -= bytes
	b.count--
	if b.networks[network] -= bytes; b.networks[network] == 0 {
		delete(b.networks, network)
	}
}

// maxIdleOrder is the largest capacity of order that is kept when it is empty.
const maxIdleOrder = 16384

// sweep drops from the order who has given back.
func (b *Budget[K]) sweep(holds func(K) bool) {
	kept := b.order[:0]
	for _, k := range b.order {
		if holds(k) {
			kept = append(kept, k)
		}
	}
	clear(b.order[len(kept):])
	if b.order = kept; len(kept) == 0 && cap(kept) > maxIdleOrder {
		b.order = nil
	}
}

// Relieve takes memory back until an eighth of the budget is free: first from networks that
// hold half of it, then from those with a quarter, and so on down to those with one holder.
// network is that of a holder; ok is false if it holds nothing any more. take has it give
// back, which ends in Leave.
func (b *Budget[K]) Relieve(network func(K) (network uint64, ok bool), take func(K)) {
	enough := b.limit - b.limit/8
	for share := b.limit / 2; b.held > enough; share /= 2 {
		if share < b.least {
			share = 0
		}
		for _, k := range b.order {
			if b.held <= enough {
				break
			}
			if n, ok := network(k); ok && b.networks[n] > share {
				take(k)
			}
		}
		if share == 0 {
			break
		}
	}
	b.sweep(func(k K) bool { _, ok := network(k); return ok })
}
