package codec

import (
	"errors"
	"sync"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// Levels of a [Deflater].
const (
	MinDeflateLevel = 1
	MaxDeflateLevel = 9
)

// maxDeflateScratch is the largest buffer, in bytes, that a Deflater or an
// [Inflation] keeps for the next message.
const maxDeflateScratch = 64 << 10

// syncTail is the end of a flushed deflate stream; it is left out on the wire
// (RFC 7692 section 7.2.1).
const syncTail = "\x00\x00\xff\xff"

// Deflater compresses messages, each on its own, without context takeover. Any
// number of goroutines may use it. A limited number compress at once, since
// each takes about 1 MB meanwhile; the others wait.
type Deflater struct {
	running chan struct{}
	full    sync.Pool // *deflation with a window of 32 KiB
	small   sync.Pool // with a window of 256 bytes
}

// deflation is one compressor and its output.
type deflation struct {
	w   *flate.Writer
	out cappedBuffer
}

// NewDeflater makes a Deflater of a level, [MinDeflateLevel] to
// [MaxDeflateLevel], that compresses up to most messages at once.
func NewDeflater(level, most int) *Deflater {
	d := &Deflater{running: make(chan struct{}, most)}
	d.full.New = func() any {
		w, err := flate.NewWriter(nil, level)
		if err != nil {
			panic(err) // a level that the caller did not check
		}
		return &deflation{w: w}
	}
	d.small.New = func() any {
		w, err := flate.NewWriterWindow(nil, 1<<MinWindowBits)
		if err != nil {
			panic(err)
		}
		return &deflation{w: w}
	}
	return d
}

// Frame returns a whole unmasked frame with the compressed payload (RFC 7692
// section 6.1), or nil if that would not be shorter than the plain one.
// windowBits is what was negotiated, 8 to 15. Below 15 the window has 256
// bytes, which all of them allow. payload is only read.
func (d *Deflater) Frame(op ws.OpCode, payload []byte, windowBits uint8) []byte {
	if len(payload) == 0 {
		return nil
	}
	pool := &d.full
	if windowBits < MaxWindowBits {
		pool = &d.small
	}
	d.running <- struct{}{}
	defer func() { <-d.running }()
	x := pool.Get().(*deflation)
	defer pool.Put(x)
	x.out.limit = len(payload) - 1 + len(syncTail)
	x.w.Reset(&x.out)
	_, err := x.w.Write(payload)
	if err == nil {
		err = x.w.Flush()
	}
	var frame []byte
	if err == nil {
		packed := x.out.b[:len(x.out.b)-len(syncTail)]
		frame = AppendFrame(make([]byte, 0, FrameLen(len(packed))), op, packed)
		frame[0] |= rsv1
	}
	if x.out.b = x.out.b[:0]; cap(x.out.b) > maxDeflateScratch {
		x.out.b = nil
	}
	return frame
}

// cappedBuffer accepts bytes up to a limit.
type cappedBuffer struct {
	b     []byte
	limit int
}

var errCapped = errors.New("codec: compressed is longer than plain")

func (c *cappedBuffer) Write(p []byte) (int, error) {
	if len(p) > c.limit-len(c.b) {
		return 0, errCapped
	}
	c.b = append(c.b, p...)
	return len(p), nil
}
