package frames

import (
	"github.com/gobwas/ws"

	"castgate/codec"
)

// Pongs are the answers to pings that came in one read. A system call for each would hold up
// the loop, so they are written together.
type Pongs struct {
	bytes  []byte
	newest int // where the last of them begins
}

// MostPongs is how many bytes of pongs are written at once.
const MostPongs = 16 << 10

// Add adds the answer to a ping. full tells that they are to be written before the next.
func (o *Pongs) Add(payload []byte) (full bool) {
	o.newest = len(o.bytes)
	o.bytes = codec.AppendFrame(o.bytes, ws.OpPong, payload)
	return len(o.bytes) >= MostPongs
}

// Owed reports whether there are any.
func (o *Pongs) Owed() bool { return len(o.bytes) > 0 }

// Take takes all of them, and the newest again. They are good until the next Add.
func (o *Pongs) Take() (all, newest []byte) {
	all, newest = o.bytes, o.bytes[o.newest:]
	o.Drop()
	return all, newest
}

// Drop forgets them.
func (o *Pongs) Drop() { o.bytes, o.newest = o.bytes[:0], 0 }

// CutPong cuts the first of several pongs off.
func CutPong(b []byte) (pong, rest []byte) {
	n := 2 + int(b[1])
	return b[:n], b[n:]
}

// IsPong reports whether f is a pong of ours, not one that was pushed.
func IsPong(f *Frame) bool {
	return !f.Counted && ws.OpCode(f.Bytes[0]&0x0f) == ws.OpPong
}
