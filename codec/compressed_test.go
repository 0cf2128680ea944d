package codec

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gobwas/ws"
)

// A message that came in any pieces is inflated in pieces to what it was; its bytes beyond the
// compressed ones are told apart, however the pieces fall.
func TestCompressedMessages(t *testing.T) {
	text := bytes.Repeat([]byte("what is said often is said shortly. "), 200)
	packed := deflated(text)
	for _, pieces := range []int{1, 2, 5} {
		for _, buf := range []int{100, 1 << 20} {
			var z Compressed
			rest := packed
			for i := range pieces {
				n := len(rest)
				if i < pieces-1 {
					n = len(packed) / pieces
				}
				if z.Whole() {
					t.Fatal("it is whole before its end")
				}
				z.Add(&Event{Op: ws.OpText, Data: rest[:n], Last: i == pieces-1}, 1<<20, false)
				if rest = rest[n:]; z.Partial() != (i < pieces-1) || z.Partial() && z.Held() < len(packed)-len(rest) {
					t.Fatalf("%d bytes are held of %d", z.Held(), len(packed)-len(rest))
				}
			}
			var got []byte
			beyond := 0
			for z.Whole() {
				first, size := z.Begins()
				if first != (got == nil) || size != len(packed) {
					t.Fatalf("it begins: %v, with %d bytes of %d", first, size, len(packed))
				}
				ev, err := z.Next(make([]byte, buf))
				if err != nil {
					t.Fatal(err)
				}
				if ev.First != first || ev.Last == z.Whole() || ev.Op != ws.OpText || ev.Kind != EventData {
					t.Fatalf("%+v", ev)
				}
				got = append(got, ev.Data...)
				beyond += z.Beyond(len(ev.Data))
			}
			if !bytes.Equal(got, text) || beyond != len(text)-len(packed) {
				t.Errorf("%d bytes of %d, %d beyond the compressed ones", len(got), len(text), beyond)
			}
			if z.Partial() || z.Held() != 0 {
				t.Error("something is held of it")
			}
		}
	}
}

// The limit and the rule for text hold for each message.
func TestCompressedLimits(t *testing.T) {
	var z Compressed
	z.Add(&Event{Op: ws.OpBinary, Data: deflated(make([]byte, 1000)), Last: true}, 999, false)
	var err error
	for z.Whole() && err == nil {
		_, err = z.Next(make([]byte, 100))
	}
	var e *CloseError
	if !errors.As(err, &e) || e.Code != ws.StatusMessageTooBig {
		t.Errorf("a message above the limit: %v", err)
	}
	z.Discard()
	for _, any := range []bool{false, true} {
		z.Add(&Event{Op: ws.OpText, Data: deflated([]byte{0xff}), Last: true}, 999, any)
		err = nil
		for z.Whole() && err == nil {
			_, err = z.Next(make([]byte, 100))
		}
		if (err == nil) != any {
			t.Errorf("text that is not UTF-8, any text %v: %v", any, err)
		}
		z.Discard()
	}
}

// What is dropped is gone, and something else may follow.
func TestCompressedDrop(t *testing.T) {
	var z Compressed
	z.Add(&Event{Op: ws.OpText, Data: []byte("junk")}, 10, false)
	if z.DropPieces(); z.Partial() {
		t.Error("pieces are left")
	}
	z.Add(&Event{Op: ws.OpText, Data: deflated([]byte("ok")), Last: true}, 10, false)
	z.DropWhole()
	z.DropWhole()
	if z.Whole() {
		t.Error("a message is left")
	}
}
