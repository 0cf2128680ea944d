package message

import (
	"encoding/binary"
	"errors"
	"math"
)

// Writer appends values to a message.
type Writer struct{ B []byte }

// Uint appends a number of one to ten bytes.
func (w *Writer) Uint(n uint64) { w.B = binary.AppendUvarint(w.B, n) }

// Int appends a number that may be negative.
func (w *Writer) Int(n int64) { w.B = binary.AppendVarint(w.B, n) }

// Bool appends one byte.
func (w *Writer) Bool(v bool) {
	if v {
		w.B = append(w.B, 1)
		return
	}
	w.B = append(w.B, 0)
}

// String appends a length and bytes.
func (w *Writer) String(s string) {
	w.Uint(uint64(len(s)))
	w.B = append(w.B, s...)
}

// Bytes is String for a slice.
func (w *Writer) Bytes(b []byte) {
	w.Uint(uint64(len(b)))
	w.B = append(w.B, b...)
}

// Strings appends a list.
func (w *Writer) Strings(list []string) {
	w.Uint(uint64(len(list)))
	for _, s := range list {
		w.String(s)
	}
}

// Member appends a member.
func (w *Writer) Member(m Member) {
	w.Uint(uint64(m.Node))
	w.Uint(m.Instance)
}

// Members appends a list.
func (w *Writer) Members(list []Member) {
	w.Uint(uint64(len(list)))
	for _, m := range list {
		w.Member(m)
	}
}

// ErrBody is the error of a body that is not what its kind says.
var ErrBody = errors.New("malformed body")

// Reader reads what a Writer has appended. After the first value that is not
// there all others are zero, and Done returns ErrBody. It never allocates more than
// a small multiple of what it has been given.
type Reader struct {
	b      []byte
	failed bool
}

// Read returns a reader of a body. Strings are copied out of it, Bytes are not.
func Read(body []byte) Reader { return Reader{b: body} }

// Done returns ErrBody unless exactly all of the body has been read.
func (r *Reader) Done() error {
	if r.failed || len(r.b) > 0 {
		return ErrBody
	}
	return nil
}

// Rest is how many bytes have not been read.
func (r *Reader) Rest() int { return len(r.b) }

func (r *Reader) fail() {
	r.failed, r.b = true, nil
}

// Uint reads a number.
func (r *Reader) Uint() uint64 {
	n, used := binary.Uvarint(r.b)
	if used <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[used:]
	return n
}

// Count reads a number that is an int and not negative.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > math.MaxInt {
		r.fail()
		return 0
	}
	return int(n)
}

// Int reads a number that may be negative.
func (r *Reader) Int() int64 {
	n, used := binary.Varint(r.b)
	if used <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[used:]
	return n
}

// Bool reads one byte, 0 or 1.
func (r *Reader) Bool() bool {
	if len(r.b) == 0 || r.b[0] > 1 {
		r.fail()
		return false
	}
	v := r.b[0] == 1
	r.b = r.b[1:]
	return v
}

// Bytes reads a length and bytes, which are a part of the body.
func (r *Reader) Bytes() []byte {
	n := r.Uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// String reads what Writer.String has appended.
func (r *Reader) String() string { return string(r.Bytes()) }

// list reads the length of a list whose elements have so many bytes at least.
func (r *Reader) list(least int) int {
	n := r.Uint()
	if n > uint64(len(r.b)/least) {
		r.fail()
		return 0
	}
	return int(n)
}

// Strings reads a list, nil for an empty one.
func (r *Reader) Strings() []string {
	n := r.list(1)
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.String())
	}
	return list
}

// Member reads a member.
func (r *Reader) Member() Member {
	node, inst := r.Uint(), r.Uint()
	if node > math.MaxUint16 || inst == 0 || inst >= 1<<48 {
		r.fail()
		return Member{}
	}
	return Member{Node: uint16(node), Instance: inst}
}

// Members reads a list, nil for an empty one.
func (r *Reader) Members() []Member {
	n := r.list(2)
	if n == 0 {
		return nil
	}
	list := make([]Member, 0, n)
	for range n {
		list = append(list, r.Member())
	}
	return list
}
