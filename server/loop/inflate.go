package loop

import (
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/tally"
)

// Compressed messages cost their receiver far more than their sender: a kilobyte
// can inflate to a megabyte. So a loop inflates in slices; see pause.go.

const (
	inflateCost   = 4 << 10  // what beginning a message costs beside its compressed bytes
	inflateBufLen = 32 << 10 // of the loop's buffer
)

// inflater inflates the messages of a loop's clients.
type inflater struct {
	loop *loop
	buf  []byte // for a piece of a message; nil until there is one
}

// addPiece adds a piece of a compressed message, which may inflate to limit bytes.
func (z *inflater) addPiece(c *conn, in *inbound, ev *codec.Event, limit int64) {
	if c.state != connOpen {
		in.packed.DropPieces()
		return
	}
	z.loop.count.Inflate.Compressed.Add(uint64(len(ev.Data)))
	in.packed.Add(ev, limit, in.parser.AnyText)
}

// inflateSome gives the next pieces of a complete compressed message, until it
// or the budget is at its end. It returns whether to go on with this client.
func (z *inflater) inflateSome(slot uint32, c *conn, in *inbound, budget *int) bool {
	gen := c.gen
	if first, size := in.packed.Begins(); first {
		*budget -= inflateCost + size
	}
	if z.buf == nil {
		z.buf = make([]byte, inflateBufLen)
	}
	for in.packed.Whole() {
		if c.state != connOpen { // closing: what it says does not count any more
			in.packed.DropWhole()
			return true
		}
		ev, err := in.packed.Next(z.buf)
		if err != nil {
			z.inflateFailed(err)
			z.loop.reader.clearInbound(in)
			z.loop.reader.broken(slot, c, err)
			return false
		}
		n := len(ev.Data)
		*budget -= n * inflateByte
		z.loop.count.Inflate.Inflated.Add(uint64(n))
		if !z.meterInflated(slot, c, in, n) {
			return false
		}
		if ev.Last {
			z.loop.count.Inflate.Messages.Add(1)
		}
		if !z.loop.reader.handleEvent(slot, c, in, &ev) || c.gen != gen {
			return false
		}
		if *budget <= 0 {
			break
		}
	}
	return true
}

// meterInflated charges a client for what a compressed message turns into beyond
// its own bytes: inflating is the work, and a rate of bytes is there to bound it.
func (z *inflater) meterInflated(slot uint32, c *conn, in *inbound, n int) bool {
	beyond := in.packed.Beyond(n)
	return beyond == 0 || !z.loop.srv.admission.Rules().Metered() || z.loop.reader.meter(slot, c, admission.MeterBytes, beyond)
}

func (z *inflater) inflateFailed(err error) {
	why := tally.InflateInvalid
	if e, ok := err.(*codec.CloseError); ok && e != codec.ErrInflate {
		why = tally.InflateUTF8
		if e.Code == ws.StatusMessageTooBig {
			why = tally.InflateTooBig
		}
	}
	z.loop.count.Inflate.Failures[why].Add(1)
}
