package payload

import (
	"bytes"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// The padding of a sequence number differs from the next one's, and compresses
// as documented.
func TestPadding(t *testing.T) {
	d := codec.NewDeflater(codec.MinDeflateLevel, 1)
	for p, bounds := range map[Padding][2]int{Alphabet: {80, 150}, Prices: {280, 440}} {
		const size = 1024
		for seq := range uint32(100) {
			b := appendPadding(nil, p, seq, size)
			if len(b) != size || !isPadding(b, p, seq) || isPadding(b, p, seq+1) {
				t.Fatalf("padding %d, number %d: %d bytes", p, seq, len(b))
			}
			payload := Append(nil, Stamp{Run: 0x12345678, Seq: seq, Sent: 1 << 50, Size: size, Padding: p})
			if n := len(d.Frame(ws.OpText, payload, codec.MaxWindowBits)); n < bounds[0] || n > bounds[1] {
				t.Errorf("padding %d, number %d: %d bytes when compressed", p, seq, n)
			}
		}
	}
}

// Padding longer than a round repeats it, wherever it began.
func TestPaddingGoesOn(t *testing.T) {
	for p := range Paddings {
		round := texts[p]().from(1<<32 - 1)
		b := appendPadding(nil, p, 1<<32-1, 2*len(round)+10)
		if !bytes.Equal(b, append(append(bytes.Clone(round), round...), round[:10]...)) || !isPadding(b, p, 1<<32-1) {
			t.Errorf("padding %d: a round of %d does not go on", p, len(round))
		}
	}
}
