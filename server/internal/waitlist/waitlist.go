// Package waitlist keeps who waits to be let in, by network: in turn each network gets one
// in, and what all hold together is shared among the networks. So a crowd delays only
// itself.
package waitlist

import (
	"container/list"
	"net/netip"

	"castgate/server/internal/quota"
)

// List holds those who wait. It has one owner and is not safe for concurrent use.
type List[T any] struct {
	room     quota.Room
	networks map[uint64]*Line[T]
	asked    *list.List // *Line that are asked for in this pass, the next first
	refused  *list.List // *Line that wait for the next pass
}

// Line is those of one network, oldest first. It exists while there are some.
type Line[T any] struct {
	Address netip.Addr // of the first of them
	network uint64
	places  list.List // of *Place
	bytes   int
	in      *list.List    // it is in List.asked or List.refused
	at      *list.Element // in that list
}

// Place is one who waits.
type Place[T any] struct {
	Who  T
	cost int // bytes
	line *Line[T]
	at   *list.Element // in line.places
}

// New makes a list on which so many bytes may be held.
func New[T any](bytes int) *List[T] {
	return &List[T]{room: quota.NewRoom(bytes), networks: map[uint64]*Line[T]{}, asked: list.New(), refused: list.New()}
}

// Waits tells whether others of an address's network wait.
func (l *List[T]) Waits(a netip.Addr) bool { return l.networks[quota.Network(a)] != nil }

// Add puts one who holds some bytes at the end of its network's line. It is nil if there
// is no room.
func (l *List[T]) Add(who T, from netip.Addr, bytes int) *Place[T] {
	network, held := quota.Network(from), 0
	line := l.networks[network]
	if line != nil {
		held = line.bytes
	}
	if l.room.Left(held) < bytes {
		return nil
	}
	if line == nil {
		line = &Line[T]{Address: from, network: network, in: l.refused}
		line.at = line.in.PushBack(line)
		l.networks[network] = line
	}
	l.weigh(line, bytes)
	p := &Place[T]{Who: who, cost: bytes, line: line}
	p.at = line.places.PushBack(p)
	return p
}

func (l *List[T]) weigh(line *Line[T], bytes int) {
	l.room.Weigh(line.bytes, line.bytes+bytes)
	line.bytes += bytes
}

// Remove takes one out.
func (l *List[T]) Remove(p *Place[T]) {
	line := p.line
	line.places.Remove(p.at)
	l.weigh(line, -p.cost)
	if line.places.Len() == 0 {
		line.in.Remove(line.at)
		delete(l.networks, line.network)
	}
}

// Begin has all networks asked for. None is left from the pass before.
func (l *List[T]) Begin() { l.asked, l.refused = l.refused, l.asked }

// Next is the network to ask for, nil at the end of a pass.
func (l *List[T]) Next() *Line[T] {
	if front := l.asked.Front(); front != nil {
		return front.Value.(*Line[T])
	}
	return nil
}

// Refused puts a network off to the next pass.
func (l *List[T]) Refused(line *Line[T]) { line.move(l.refused) }

// First is the oldest of a network, which has its turn: the network's next comes behind
// those of the others. It stays on the list.
func (l *List[T]) First(line *Line[T]) *Place[T] {
	line.move(l.asked)
	return line.places.Front().Value.(*Place[T])
}

// move puts a line at the end of a list.
func (line *Line[T]) move(to *list.List) {
	line.in.Remove(line.at)
	line.in, line.at = to, to.PushBack(line)
}

// Held is how many bytes are held, and by how many networks.
func (l *List[T]) Held() (bytes, networks int) { return l.room.Held(), len(l.networks) }
