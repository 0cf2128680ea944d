// Package table maps names to sets of connections. Client ids, uids and groups are
// all tables. Connections are only numbers here.
//
// A Table consists of a thousand small shards with a lock each. A name with one
// member is a single object. A larger set is an extendible hash table whose buckets
// split one at a time. So no step under a lock grows with the number of members,
// except copying the directory's list of pages, 8 bytes for every 20,000 members,
// and the rare halving of a set that has shrunk. A Snapshot costs the same for one
// member and for a million, because buckets and pages are copied on the first write
// after it.
//
// Lock order: a shard's lock is taken after any lock of the caller, one at a time,
// and nothing is called while it is held.
package table

import "math/bits"

// Handle identifies a connection for the lifetime of the process: its event loop
// (top 8 bits), its slot in that loop (24 bits) and the generation of the slot (low
// 32 bits). Generations start at 1, so the zero Handle is never a connection.
type Handle uint64

// MaxSlots is the number of slots a loop can have.
const MaxSlots = 1 << 24

// MaxLoops is the number of loops a Table can be made for.
const MaxLoops = 256

// MakeHandle returns the Handle of its parts. It panics if slot is not below
// MaxSlots.
func MakeHandle(loop uint8, slot uint32, gen uint32) Handle {
	if slot >= MaxSlots {
		panic("table: slot out of range")
	}
	return Handle(loop)<<56 | Handle(slot)<<32 | Handle(gen)
}

// Loop is the event loop that owns the connection, 0 to MaxLoops-1.
func (h Handle) Loop() int { return int(h >> 56) }

// Slot is the index of the connection in its loop, below MaxSlots.
func (h Handle) Slot() uint32 { return uint32(h>>32) & (MaxSlots - 1) }

// Gen is the generation of the slot, from 1.
func (h Handle) Gen() uint32 { return uint32(h) }

// layout is what all sets of a table have in common.
type layout struct {
	loops    uint16
	loopBits uint8 // low bits of a hash that hold the loop
	maxDepth uint8 // buckets this deep grow instead of splitting
}

// maxDepth bounds a directory to 2^26 buckets, room for billions of members.
const maxDepth = 26

func makeLayout(loops int) layout {
	if loops < 1 || loops > MaxLoops {
		panic("table: number of loops out of range")
	}
	return layout{loops: uint16(loops), loopBits: uint8(bits.Len(uint(loops - 1))), maxDepth: maxDepth}
}

// hash spreads handles over buckets. The lowest bits are the loop, unhashed, so
// that in a large set every bucket holds handles of one loop only.
func (g layout) hash(h Handle) uint64 {
	x := uint64(h) << 8 * 0x9e3779b97f4a7c15
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return x<<g.loopBits | uint64(h>>56)
}

// check panics on a handle that would corrupt a set: Iter could never find it.
func (g layout) check(h Handle) {
	if h == 0 || h.Loop() >= int(g.loops) {
		panic("table: handle is zero or of a loop out of range")
	}
}
