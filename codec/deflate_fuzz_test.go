package codec

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// takenUp lists what a connection with permessage-deflate makes of input that
// comes in pieces cut at some places: messages whole, compressed ones inflated.
func takenUp(input []byte, limit int64, cuts ...int) (list []string) {
	input = bytes.Clone(input)
	p := Parser{Deflate: true}
	var message []byte
	for at := 0; len(input) > 0; {
		n := len(input)
		if len(cuts) > 0 {
			n, cuts = min(max(cuts[0]-at, 0), n), cuts[1:]
		}
		at += n
		piece := input[:n]
		input = input[n:]
		for len(piece) > 0 {
			n, ev, err := p.Next(piece, limit)
			piece = piece[n:]
			switch {
			case err != nil:
				return append(list, err.Error())
			case ev.Kind == EventNone:
				continue
			case ev.Kind != EventData:
				list = append(list, fmt.Sprintf("event %d %d %q %q", ev.Kind, ev.Code, ev.Data, ev.Reason))
				if ev.Kind == EventClose {
					return list
				}
				continue
			}
			message = append(message, ev.Data...)
			if !ev.Last {
				continue
			}
			plain := message
			if ev.Deflated {
				if plain, err = inflate(ev.Op, message, false, limit, 1000); err != nil {
					return append(list, err.Error())
				}
			}
			list = append(list, fmt.Sprintf("%v %v %q", ev.Op, ev.Deflated, plain))
			message = nil
		}
	}
	return list
}

// FuzzParserDeflate checks that compressed and plain messages do not depend on
// how the input is cut.
func FuzzParserDeflate(f *testing.F) {
	packed := deflated([]byte("Hello, Hello, Hello"))
	whole := AppendMaskedFrame(nil, ws.OpText, packed, [4]byte{1, 2, 3, 4})
	whole[0] |= rsv1
	first := AppendMaskedFrame(nil, ws.OpBinary, packed[:4], [4]byte{1, 2, 3, 4})
	first[0] = byte(ws.OpBinary) | rsv1
	last := AppendMaskedFrame(nil, ws.OpContinuation, packed[4:], [4]byte{9, 9, 9, 9})
	ping := AppendMaskedFrame(nil, ws.OpPing, []byte("p"), [4]byte{})
	plain := AppendMaskedFrame(nil, ws.OpText, []byte("plain"), [4]byte{})
	f.Add(whole, uint16(100))
	f.Add(slices.Concat(first, ping, last, whole, plain), uint16(100))
	f.Add(slices.Concat(plain, whole), uint16(5))
	f.Add(slices.Concat(first, whole), uint16(1000))
	f.Fuzz(func(t *testing.T, input []byte, max uint16) {
		input = input[:min(len(input), 256)]
		want := takenUp(input, int64(max))
		for cut := range input {
			if got := takenUp(input, int64(max), cut); !slices.Equal(got, want) {
				t.Fatalf("cut at %d: %q, whole: %q", cut, got, want)
			}
		}
		var each []int
		for at := range input {
			each = append(each, at)
		}
		if got := takenUp(input, int64(max), each...); !slices.Equal(got, want) {
			t.Fatalf("byte by byte: %q, whole: %q", got, want)
		}
	})
}
