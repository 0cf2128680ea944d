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

// inflating is what an inbound holds of compressed messages.
type inflating struct {
	compressed []byte           // pieces of a message that is not complete
	message    *codec.Inflation // one that is, and has not been inflated to its end
	op         ws.OpCode        // of message
	begun      bool             // a piece of it has been given
	cost       int              // compressed bytes of it, to be taken from the budget
	metered    int              // compressed bytes of it, which Policy.ByteRate has counted
}

// discard gives back what is held.
func (f *inflating) discard() {
	if f.message != nil {
		f.message.Close()
	}
	*f = inflating{}
}

// inflater inflates the messages of a loop's clients.
type inflater struct {
	loop *loop
	buf  []byte // for a piece of a message; nil until there is one
}

// addPiece adds a piece of a compressed message, which may inflate to limit bytes.
func (z *inflater) addPiece(c *conn, in *inbound, ev *codec.Event, limit int64) {
	f := &in.inflating
	if c.state != connOpen {
		f.compressed = nil
		return
	}
	z.loop.count.Inflate.Compressed.Add(uint64(len(ev.Data)))
	if !ev.Last {
		f.compressed = append(f.compressed, ev.Data...)
		return
	}
	f.op, f.begun, f.cost = ev.Op, false, len(f.compressed)+len(ev.Data)
	f.metered = f.cost
	if f.compressed == nil {
		f.message = codec.NewInflation(ev.Op, ev.Data, false, limit)
	} else {
		f.message = codec.NewInflation(ev.Op, append(f.compressed, ev.Data...), true, limit)
		f.compressed = nil
	}
	f.message.AnyText = in.parser.AnyText
}

// inflateSome gives the next pieces of a complete compressed message, until it
// or the budget is at its end. It returns whether to go on with this client.
func (z *inflater) inflateSome(slot uint32, c *conn, in *inbound, budget *int) bool {
	f := &in.inflating
	gen := c.gen
	if !f.begun {
		*budget -= inflateCost + f.cost
	}
	if z.buf == nil {
		z.buf = make([]byte, inflateBufLen)
	}
	for f.message != nil {
		if c.state != connOpen { // closing: what it says does not count any more
			f.message.Close()
			f.message = nil
			return true
		}
		n, last, err := f.message.Next(z.buf)
		if err != nil {
			z.inflateFailed(err)
			z.loop.reader.clearInbound(in)
			z.loop.reader.broken(slot, c, err)
			return false
		}
		*budget -= n * inflateByte
		z.loop.count.Inflate.Inflated.Add(uint64(n))
		if !z.meterInflated(slot, c, f, n) {
			return false
		}
		ev := codec.Event{Kind: codec.EventData, Op: f.op, First: !f.begun, Last: last, Data: z.buf[:n]}
		f.begun = true
		if last {
			f.message.Close()
			f.message = nil
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
func (z *inflater) meterInflated(slot uint32, c *conn, f *inflating, n int) bool {
	credit := min(n, f.metered)
	f.metered -= credit
	return n == credit || !z.loop.srv.admission.Rules().Metered() || z.loop.reader.meter(slot, c, admission.MeterBytes, n-credit)
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
