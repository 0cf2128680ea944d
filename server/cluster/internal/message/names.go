package message

import (
	"encoding/binary"

	"castgate/server/cluster/internal/names"
)

// Names are changes of the names that the sender holds, from a position on. Who takes
// them in says so with NamesHeard if some are added.
type Names struct {
	After   uint64
	Changes []names.Change
}

// NamesHeard says up to where the sender has heard of the receiver's names. What is
// missing below it asks for; until it has that, it leaves the receiver out of nothing.
type NamesHeard struct{ UpTo uint64 }

// NamesWanted asks for changes of names from a position on, or, if From is 0, for a
// part of all that there are.
type NamesWanted struct {
	From uint64
	Part int
}

// NamesPart is a part of all names that the sender holds, as they were at a position;
// Next is the part that comes after it.
type NamesPart struct {
	Pos        uint64
	Part, Next int
	Hashes     []uint64
}

// Bytes of a change and of a hash.
const (
	changeLen = 7
	hashLen   = 6
)

// fixed appends numbers of so many bytes each.
func (w *Writer) fixed(n uint64, size int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	w.B = append(w.B, b[8-size:]...)
}

func (r *Reader) fixed(size int) uint64 {
	if len(r.b) < size {
		r.fail()
		return 0
	}
	var b [8]byte
	copy(b[8-size:], r.b[:size])
	r.b = r.b[size:]
	return binary.BigEndian.Uint64(b[:])
}

// Append appends the body.
func (n *Names) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(n.After)
	w.Uint(uint64(len(n.Changes)))
	for _, c := range n.Changes {
		w.fixed(uint64(c), changeLen)
	}
	return w.B
}

// DecodeNames reads the body of a message with changes of names.
func DecodeNames(body []byte) (n Names, err error) {
	r := Read(body)
	n.After = r.Uint()
	for range r.list(changeLen) {
		c := names.Change(r.fixed(changeLen))
		if c.Hash() == 0 || c.Hash() >= 1<<48 {
			r.fail()
		}
		n.Changes = append(n.Changes, c)
	}
	return n, r.Done()
}

// Append appends the body.
func (h *NamesHeard) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(h.UpTo)
	return w.B
}

// DecodeNamesHeard reads the body of NamesHeard.
func DecodeNamesHeard(body []byte) (h NamesHeard, err error) {
	r := Read(body)
	h = NamesHeard{r.Uint()}
	return h, r.Done()
}

// Append appends the body.
func (q *NamesWanted) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(q.From)
	w.Uint(uint64(q.Part))
	return w.B
}

// DecodeNamesWanted reads the body of NamesWanted.
func DecodeNamesWanted(body []byte) (q NamesWanted, err error) {
	r := Read(body)
	q = NamesWanted{From: r.Uint(), Part: r.part(names.Shards - 1)}
	return q, r.Done()
}

// part reads a number up to most.
func (r *Reader) part(most int) int {
	n := r.Uint()
	if n > uint64(most) {
		r.fail()
		return 0
	}
	return int(n)
}

// Append appends the body.
func (p *NamesPart) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(p.Pos)
	w.Uint(uint64(p.Part))
	w.Uint(uint64(p.Next))
	w.Uint(uint64(len(p.Hashes)))
	for _, h := range p.Hashes {
		w.fixed(h, hashLen)
	}
	return w.B
}

// DecodeNamesPart reads the body of NamesPart.
func DecodeNamesPart(body []byte) (p NamesPart, err error) {
	r := Read(body)
	p = NamesPart{Pos: r.Uint(), Part: r.part(names.Shards - 1), Next: r.part(names.Shards)}
	for range r.list(hashLen) {
		h := r.fixed(hashLen)
		if h == 0 {
			r.fail()
		}
		p.Hashes = append(p.Hashes, h)
	}
	if p.Next <= p.Part {
		r.fail()
	}
	return p, r.Done()
}
