package codec

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// inflateTail ends a compressed message for the decoder: the bytes left out on
// the wire (RFC 7692 section 7.2.2), which complete an empty block, and an
// empty last block, after which the decoder reports the end.
const inflateTail = syncTail + "\x01\x00\x00\xff\xff"

// Inflation decompresses one complete message. It does so in pieces, so that
// the caller decides how much work to do at once, and a message that inflates
// to more than is allowed never takes the memory. One goroutine at a time may
// use it. It takes about 45 KB, from a pool.
type Inflation struct {
	// AnyText is Parser.AnyText; false after NewInflation.
	AnyText bool

	op   ws.OpCode
	left int64 // bytes that may still come out
	text utf8Stream
	src  bytes.Reader
	flat io.ReadCloser // reads src
	own  []byte        // what src reads, if that may be reused
}

var inflations = sync.Pool{New: func() any {
	x := new(Inflation)
	x.flat = flate.NewReader(&x.src)
	return x
}}

// NewInflation starts to decompress a message of type op. packed is its whole
// compressed payload. maxMessage limits the decompressed bytes. With give the
// Inflation owns the slice from then on and appends to it; otherwise it copies.
func NewInflation(op ws.OpCode, packed []byte, give bool, maxMessage int64) *Inflation {
	x := inflations.Get().(*Inflation)
	x.op, x.left, x.text, x.AnyText = op, max(maxMessage, 0), utf8Stream{}, false
	var all []byte
	if give {
		all = append(packed, inflateTail...)
	} else {
		x.own = append(append(x.own[:0], packed...), inflateTail...)
		all = x.own
	}
	x.src.Reset(all)
	x.restart()
	return x
}

func (x *Inflation) restart() {
	// Reset fails only on a bad dictionary.
	_ = x.flat.(flate.Resetter).Reset(&x.src, nil)
}

// Next fills buf, which must not be empty, with decompressed bytes. n is less
// than len(buf) only if last, which says that the message is complete. Errors
// are *[CloseError]: 1009 above the limit, 1007 for an invalid deflate stream
// (RFC 7692 leaves the code open) and for text that is not UTF-8. After last or
// an error only Close may be called.
func (x *Inflation) Next(buf []byte) (n int, last bool, err error) {
	for n < len(buf) && !last {
		k, err := x.flat.Read(buf[n:])
		n += k
		switch {
		case int64(n) > x.left:
			return 0, false, errTooBig
		case errors.Is(err, io.EOF):
			if last, err = x.ended(); err != nil {
				return 0, false, err
			}
		case err != nil:
			return 0, false, ErrInflate
		}
	}
	x.left -= int64(n)
	if x.op == ws.OpText && !x.AnyText && (!x.text.write(buf[:n]) || last && !x.text.whole()) {
		return 0, false, errText
	}
	return n, last, nil
}

// ended finds out why the decoder reports a last block. Usually it is that of
// inflateTail. A sender may also mark a last block and continue after it (RFC
// 7692 section 7.2.3.4).
func (x *Inflation) ended() (last bool, err error) {
	switch left := x.src.Len(); {
	case left == 0 || left == len(inflateTail):
		return true, nil
	case left < len(inflateTail): // the message ended within a block
		return false, ErrInflate
	}
	x.restart()
	return false, nil
}

// Close returns the Inflation to its pool. It must not be used again.
func (x *Inflation) Close() {
	x.src.Reset(nil)
	if x.own = x.own[:0]; cap(x.own) > maxDeflateScratch {
		x.own = nil
	}
	inflations.Put(x)
}
