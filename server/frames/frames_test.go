package frames

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
)

const allPlain = 1<<Line | 1<<Counted | 1<<Bytes

// A message is encoded in each form that was asked for, and is a frame in the others.
func TestForms(t *testing.T) {
	e := NewEncoder(allPlain)
	for to, want := range map[Form]string{
		WebSocket: "\x81\x02hi", Deflated: "\x81\x02hi", Deflated8: "\x81\x02hi",
		Line: "hi\n", Counted: "\x00\x00\x00\x06hi", Bytes: "hi",
	} {
		m := &gateway.Message{Payload: []byte("hi")}
		for what, f := range map[string]*Frame{
			"push": e.Push(m, nil, allPlain), "message": e.Message(m.Payload, false), "message to one": e.MessageAs(to, ws.OpText, m.Payload),
		} {
			as := to
			if what == "message to one" {
				as = WebSocket // it was made in that form
			}
			if got := string(f.As(as)); got != want {
				t.Errorf("%s as %d: %q, want %q", what, to, got, want)
			}
			if f.Counted != (what == "push") {
				t.Errorf("%s: counted is %v", what, f.Counted)
			}
		}
	}
	raw := e.Push(&gateway.Message{Payload: []byte("raw"), Raw: true}, nil, allPlain)
	for to := range NumForms {
		if got := string(raw.As(to)); got != "raw" {
			t.Errorf("a raw push as %d: %q", to, got)
		}
	}
}

// A form in which a message would not be shorter is left out, and counted.
func TestDeflatedForms(t *testing.T) {
	e := NewEncoder(0)
	if e.Compresses(1 << 20) {
		t.Error("an encoder compresses that was not told to")
	}
	e.Compress(16, 1)
	for size, want := range map[int]bool{0: false, 15: false, 16: true} {
		if e.Compresses(size) != want {
			t.Errorf("a message of %d bytes: compressed is %v", size, !want)
		}
	}
	same := &gateway.Message{Payload: []byte(strings.Repeat("a", 1000))}
	other := &gateway.Message{Payload: []byte("0123456789abcdef"), Binary: true}
	const set = 1<<Deflated | 1<<Deflated8
	f := e.Push(same, nil, set)
	for _, to := range DeflatedForms {
		b := f.As(to)
		if b[0] != 0xc1 || len(b) > 100 {
			t.Errorf("form %d: %d bytes that begin with %#x", to, len(b), b[0])
		}
		inflation := codec.NewInflation(ws.OpText, b[2:], false, 1<<20)
		p := make([]byte, 2000)
		if n, last, err := inflation.Next(p); err != nil || !last || !bytes.Equal(p[:n], same.Payload) {
			t.Errorf("form %d: inflated to %d bytes, last %v, %v", to, n, last, err)
		}
		inflation.Close()
	}
	if b := e.Push(other, nil, set).As(Deflated); b[0] != 0x82 {
		t.Errorf("what gets no shorter begins with %#x", b[0])
	}
	var st gateway.Stats
	e.AddTo(&st)
	if st.Compressed != 2 || st.CompressedLonger != 2 || st.CompressedBefore != 2000 || st.CompressedAfter == 0 {
		t.Errorf("%+v", st)
	}
	if Size(same, set) < int64(3*len(f.Bytes)) {
		t.Errorf("three forms of %d bytes count as %d", len(f.Bytes), Size(same, set))
	}
}

// A pusher waits for as many deliveries as there are, however early they end.
func TestWait(t *testing.T) {
	w := NewWait()
	w.Written()
	w.Dropped(2)
	select {
	case <-w.Ended():
		t.Fatal("it ended before the number of deliveries was known")
	default:
	}
	w.Matched(4)
	w.Written()
	<-w.Ended()
	if written, dropped := w.Counts(); written != 2 || dropped != 2 {
		t.Errorf("%d written, %d dropped", written, dropped)
	}
}
