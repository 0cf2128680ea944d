//go:build !race

package codec

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/gobwas/ws"
)

// TestAllocations keeps the paths that run for each frame or client free of
// allocations. The race detector allocates, so it is not run there.
func TestAllocations(t *testing.T) {
	mask := [4]byte{1, 2, 3, 4}
	payload := bytes.Repeat([]byte("é"), 500)
	dst := make([]byte, 0, 2048)
	header := AppendMaskedHeader(nil, ws.OpText, true, len(payload), mask)
	message := AppendMaskedFrame(nil, ws.OpText, payload, mask)
	ping := AppendMaskedFrame(nil, ws.OpPing, []byte("ping"), mask)
	end := AppendMaskedFrame(nil, ws.OpClose, []byte("\x03\xe8bye"), mask)
	broken := AppendMaskedFrame(nil, ws.OpText, []byte("\xff"), mask)
	request := AppendRequest(nil, "a.example:80", "/b", rfcKey, "Origin: http://good.example\r\n")
	answer, _ := new(Upgrader).Upgrade(nil, request)
	upgrader := Upgrader{CheckOrigin: goodOrigin}

	compressing := Upgrader{Compress: true}
	offering := AppendRequest(nil, "a.example:80", "/b", rfcKey,
		"Sec-WebSocket-Extensions: x, permessage-deflate; server_max_window_bits=\"12\"; client_max_window_bits\r\n")
	compressed := deflated(payload)
	packed := AppendMaskedFrame(nil, ws.OpText, compressed, mask)
	packed[0] |= rsv1
	plain := make([]byte, 4096)

	for _, test := range []struct {
		name string
		run  func()
	}{
		{"ParseHeader", func() {
			if _, n, err := ParseHeader(header); n != len(header) || err != nil {
				t.Error(n, err)
			}
		}},
		{"ParseHeader refusing", func() {
			if _, _, err := ParseHeader([]byte{0xff}); err != errReservedBit {
				t.Error(err)
			}
		}},
		{"Unmask", func() { ws.Cipher(dst[:1000], mask, 1) }},
		{"AppendFrame", func() { AppendFrame(dst, ws.OpText, payload) }},
		{"AppendMaskedFrame", func() { AppendMaskedFrame(dst, ws.OpText, payload, mask) }},
		{"AppendClose", func() { AppendClose(dst, 1008, "slow consumer") }},
		{"Parser.Next message", func() { feedCopy(t, dst, message, len(message), EventData, nil) }},
		{"Parser.Next pieces", func() { feedCopy(t, dst, message, 7, EventData, nil) }},
		{"Parser.Next ping", func() { feedCopy(t, dst, ping, 3, EventPing, nil) }},
		{"Parser.Next close", func() { feedCopy(t, dst, end, len(end), EventClose, nil) }},
		{"Parser.Next refusing", func() { feedCopy(t, dst, broken, len(broken), EventNone, errText) }},
		{"HandshakeEnd", func() {
			if HandshakeEnd(request, 100) != len(request) {
				t.Error("not found")
			}
		}},
		{"Upgrade", func() {
			if _, result := upgrader.Upgrade(dst, request); result != HandshakeOK {
				t.Error(result)
			}
		}},
		{"AppendRefusal", func() { AppendRefusal(dst, HandshakeBusy) }},
		{"AppendRequest", func() { AppendRequest(dst, "a.example:80", "/b", rfcKey, "") }},
		{"Negotiate", func() {
			if _, agreed, result := compressing.Negotiate(dst, offering); result != HandshakeOK || agreed.WindowBits != 12 {
				t.Error(result, agreed)
			}
		}},
		{"Parser.Next compressed", func() {
			p := Parser{Deflate: true}
			if _, ev, err := p.Next(append(dst[:0], packed...), 1<<20); err != nil || !ev.Deflated {
				t.Error(ev.Kind, err)
			}
		}},
		{"Inflation", func() {
			x := NewInflation(ws.OpText, compressed, false, 1<<20)
			if n, last, err := x.Next(plain); n != len(payload) || !last || err != nil {
				t.Error(n, last, err)
			}
			x.Close()
		}},
		{"CheckResponse", func() {
			if err := CheckResponse(answer, rfcKey); err != nil {
				t.Error(err)
			}
		}},
	} {
		if allocs := testing.AllocsPerRun(100, test.run); allocs != 0 {
			t.Errorf("%s: %v allocations", test.name, allocs)
		}
	}
}

// TestDeflaterAllocations: a compressed push costs its frame, and that only.
func TestDeflaterAllocations(t *testing.T) {
	d := NewDeflater(MinDeflateLevel, 1)
	payload := prices(4096)
	d.Frame(ws.OpText, payload, MaxWindowBits)
	if allocs := testing.AllocsPerRun(100, func() { d.Frame(ws.OpText, payload, MaxWindowBits) }); allocs > 1 {
		t.Errorf("%v allocations", allocs)
	}
}

// feedCopy runs a copy of input in buf through a new Parser, step bytes at a
// time, and checks how it ends.
func feedCopy(t *testing.T, buf, input []byte, step int, kind EventKind, want error) {
	t.Helper()
	b := append(buf[:0], input...)
	var p Parser
	var last EventKind
	for len(b) > 0 {
		n, ev, err := p.Next(b[:min(step, len(b))], 1<<20)
		b, last = b[n:], ev.Kind
		if err != nil {
			if err != want {
				t.Error(err)
			}
			return
		}
	}
	if last != kind || want != nil {
		t.Errorf("ended with event %d", last)
	}
}

// What is made for the largest head is no more than the head itself.
func TestLargeHeadsAreReadInPlace(t *testing.T) {
	u := Upgrader{Compress: true, Subprotocol: "none", CheckOrigin: goodOrigin}
	dst := make([]byte, 0, 1024)
	for name, shape := range largeHeads {
		head := largeHead(shape, MaxHandshake)
		if len(head) > MaxHandshake || len(head) < MaxHandshake*9/10 {
			t.Fatalf("%s: %d bytes", name, len(head))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		readHeadWhole(t, &u, dst, head)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > MaxHandshake {
			t.Errorf("%s: %d bytes are made for %d", name, n, len(head))
		}
	}
}
