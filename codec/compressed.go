package codec

import "github.com/gobwas/ws"

// Compressed is a compressed message that comes in pieces and, once it is whole, is inflated in
// pieces. The zero value holds none.
type Compressed struct {
	pieces []byte     // of a message that is not whole
	whole  *Inflation // one that is, and has not been inflated to its end
	op     ws.OpCode  // of whole
	begun  bool       // a piece of whole has been given
	size   int        // compressed bytes of whole
	free   int        // of these: as many inflated bytes are not beyond them
}

// Add adds a piece of a message, which may inflate to limit bytes. anyText is Parser.AnyText.
// There must not be a whole one.
func (z *Compressed) Add(ev *Event, limit int64, anyText bool) {
	if !ev.Last {
		z.pieces = append(z.pieces, ev.Data...)
		return
	}
	z.op, z.begun, z.size = ev.Op, false, len(z.pieces)+len(ev.Data)
	z.free = z.size
	if z.pieces == nil {
		z.whole = NewInflation(ev.Op, ev.Data, false, limit)
	} else {
		z.whole = NewInflation(ev.Op, append(z.pieces, ev.Data...), true, limit)
		z.pieces = nil
	}
	z.whole.AnyText = anyText
}

// Whole reports whether there is a message to inflate.
func (z *Compressed) Whole() bool { return z.whole != nil }

// Partial reports whether there is one that is not whole.
func (z *Compressed) Partial() bool { return z.pieces != nil }

// Held is how much memory that one takes.
func (z *Compressed) Held() int { return cap(z.pieces) }

// Begins reports whether the first piece of the whole message is next, and of how many
// compressed bytes that message is.
func (z *Compressed) Begins() (first bool, size int) { return !z.begun, z.size }

// Next inflates the next piece of the whole message into buf. After the last one there is no
// message.
func (z *Compressed) Next(buf []byte) (Event, error) {
	n, last, err := z.whole.Next(buf)
	if err != nil {
		return Event{}, err
	}
	ev := Event{Kind: EventData, Op: z.op, First: !z.begun, Last: last, Data: buf[:n]}
	if z.begun = true; last {
		z.DropWhole()
	}
	return ev, nil
}

// Beyond is how many of n inflated bytes are more than the message was compressed.
func (z *Compressed) Beyond(n int) int {
	free := min(n, z.free)
	z.free -= free
	return n - free
}

// DropWhole gives up the message that is whole, DropPieces the one that is not.
func (z *Compressed) DropWhole() {
	if z.whole != nil {
		z.whole.Close()
		z.whole = nil
	}
}

// DropPieces is described at DropWhole.
func (z *Compressed) DropPieces() { z.pieces = nil }

// Discard gives back all that is held.
func (z *Compressed) Discard() {
	z.DropWhole()
	*z = Compressed{}
}
