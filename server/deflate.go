package server

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// deflater compresses pushes, on the pushers' goroutines, once for all the
// receivers that have agreed on permessage-deflate. A server without
// Config.Compress has none.
type deflater struct {
	least    int // bytes of payload from which a push is compressed
	registry *registry
	codec    *codec.Deflater
	count    deflateCounters
}

// deflateCounters count what pushes came to, message by message.
type deflateCounters struct {
	compressed atomic.Uint64 // sent compressed to those who agreed on it
	longer     atomic.Uint64 // compressed in vain: the plain frame is not longer
	before     atomic.Uint64 // payload bytes of the compressed ones
	after      atomic.Uint64 // bytes of their frames
}

func newDeflater(c *Config, r *registry) *deflater {
	if !c.Compress {
		return nil
	}
	return &deflater{least: c.CompressMin, registry: r, codec: codec.NewDeflater(c.CompressLevel, runtime.GOMAXPROCS(0))}
}

// maxLooks is how many receivers of a push are looked at for their form.
const maxLooks = 64

// wanted returns the deflated forms that a push of so many bytes is to be made
// in. receivers are those it is for, if they are few and known; else any client
// there is may be one.
func (d *deflater) wanted(size int, receivers []table.Handle) (set formSet) {
	if d == nil || size < d.least || size == 0 {
		return 0
	}
	for _, m := range [...]form{formDeflated, formDeflated8} {
		if d.registry.byForm[m].Load() > 0 {
			set |= 1 << m
		}
	}
	if set == 0 || len(receivers) == 0 || len(receivers) > maxLooks {
		return set
	}
	var met formSet
	for _, h := range receivers {
		d.registry.lookup(h, func(c *client) { met |= 1 << c.form })
	}
	return set & met
}

// add compresses a push into the forms of set. A form is left out where that
// would not be shorter; frame.as then returns the plain frame.
func (d *deflater) add(f *frame, m *gateway.Message, set formSet) {
	if set == 0 {
		return
	}
	op := ws.OpText
	if m.Binary {
		op = ws.OpBinary
	}
	for _, to := range [...]form{formDeflated, formDeflated8} {
		if !set.has(to) {
			continue
		}
		b := d.codec.Frame(op, m.Payload, to.windowBits())
		if b == nil {
			d.count.longer.Add(1)
			continue
		}
		if f.others == nil {
			f.others = new([forms][]byte)
		}
		f.others[to] = b
		d.count.compressed.Add(1)
		d.count.before.Add(uint64(len(m.Payload)))
		d.count.after.Add(uint64(len(b)))
	}
}

// pushCost is what a push takes of a mailbox's room: each form of the frame
// counts as long as the plain one, which it never exceeds by more than 2 bytes.
func pushCost(m *gateway.Message, set formSet) int64 {
	n := 1 + bits.OnesCount8(uint8(set))
	return int64(commandCost + n*codec.FrameLen(len(m.Payload)))
}

// encodePush makes the frame of a push, in the plain form and those of set.
func (s *Server) encodePush(m *gateway.Message, wait *pushWait, set formSet) *frame {
	f := newPushFrame(m, wait)
	if !m.Raw {
		s.deflater.add(f, m, set)
		f.addPlain(m.Payload, set)
	}
	return f
}
