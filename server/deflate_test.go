package server

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/loop"
)

// compressing switches compression on.
func compressing(c *Config) { c.Compress = true }

// dialCompressing connects a client that offers permessage-deflate.
func (s *testServer) dialCompressing() *testClient {
	s.t.Helper()
	return s.dialWith(&websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover, CompressionThreshold: 1})
}

func longText(n int) string { return strings.Repeat("all work and no play makes ", n/27+1)[:n] }

// A push is compressed once, for those who agreed on it, and only if there is
// one of them among its receivers.
func TestPushCompressed(t *testing.T) {
	s := startServer(t, compressing)
	ctx := context.Background()
	plain := s.dial()
	text := longText(5000)
	push := func(p gateway.Push) {
		t.Helper()
		p.Payload, p.Wait = []byte(text), true
		if r, err := s.Push(ctx, p); err != nil || r.Written != r.Matched || r.Matched == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	push(gateway.Push{To: gateway.Targets{All: true}})
	if st := s.stats(); st.Compressed != 0 || st.CompressedClients != 0 {
		t.Fatalf("compressed for nobody: %+v", st)
	}
	var packed []*testClient
	for range 5 {
		packed = append(packed, s.dialCompressing())
	}
	if st := s.stats(); st.CompressedClients != 5 {
		t.Fatalf("%d of 5 agreed", st.CompressedClients)
	}
	for _, c := range packed { // their loops have counted what they wrote
		if _, err := s.Client(ctx, c.id); err != nil {
			t.Fatal(err)
		}
	}
	before := s.stats().BytesOut
	push(gateway.Push{To: gateway.Targets{All: true}})
	st := s.stats()
	if st.Compressed != 1 || st.CompressedBefore != 5000 || st.CompressedAfter >= 500 || st.CompressedAfter == 0 {
		t.Fatalf("%d compressed, %d bytes to %d", st.Compressed, st.CompressedBefore, st.CompressedAfter)
	}
	if sent, want := st.BytesOut-before, 5*st.CompressedAfter+uint64(codec.FrameLen(5000)); sent != want {
		t.Errorf("%d bytes sent, want %d", sent, want)
	}
	push(gateway.Push{To: gateway.Targets{ClientIDs: []string{plain.id}}}) // none among them
	if st := s.stats(); st.Compressed != 1 {
		t.Errorf("compressed for a client that did not agree")
	}
	push(gateway.Push{To: gateway.Targets{ClientIDs: []string{plain.id, packed[0].id}}})
	if st := s.stats(); st.Compressed != 2 {
		t.Errorf("%d compressed, want 2", st.Compressed)
	}
	plain.expect(text, text, text, text)
	packed[0].expect(text, text)
	packed[4].expect(text)
	for _, c := range packed {
		_ = c.ws.CloseNow()
	}
	eventually(t, "the clients to be gone", func() bool { return s.stats().CompressedClients == 0 })
}

// What is short, or does not get shorter, is sent as it is.
func TestPushNotCompressed(t *testing.T) {
	s := startServer(t, compressing)
	c := s.dialCompressing()
	var want []string
	push := func(payload string, binary bool) {
		t.Helper()
		if _, err := s.Push(context.Background(), gateway.Push{To: gateway.Targets{All: true}, Payload: []byte(payload), Binary: binary, Wait: true}); err != nil {
			t.Fatal(err)
		}
		want = append(want, payload)
	}
	push(longText(255), false)
	push("", false)
	if st := s.stats(); st.Compressed+st.CompressedLonger != 0 {
		t.Errorf("%d short pushes compressed", st.Compressed)
	}
	push(noise(2000), true)
	if st := s.stats(); st.Compressed != 0 || st.CompressedLonger != 1 {
		t.Errorf("%d compressed, %d in vain", st.Compressed, st.CompressedLonger)
	}
	push(longText(256), false)
	if st := s.stats(); st.Compressed != 1 {
		t.Error("a push of --compress-min bytes is not compressed")
	}
	c.expect(want...)
}

// Members of large groups, and order across compressed and plain pushes.
func TestPushCompressedOrder(t *testing.T) {
	s := startServer(t, compressing)
	ctx := context.Background()
	var clients []*testClient
	for i := range 68 {
		c := s.dial()
		if i%2 == 0 {
			_ = c.ws.CloseNow()
			c = s.dialCompressing()
		}
		clients = append(clients, c)
		if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: "u", Groups: []string{"g"}}); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i, to := range []gateway.Targets{{All: true}, {Groups: []string{"g"}}, {UIDs: []string{"u"}}, {All: true}, {Groups: []string{"g"}}} {
		for _, n := range []int{10, 3000, 70000} {
			text := fmt.Sprint(i, " ") + longText(n)
			if _, err := s.Push(ctx, gateway.Push{To: to, Payload: []byte(text), Wait: true}); err != nil {
				t.Fatal(err)
			}
			want = append(want, text)
		}
	}
	for _, c := range clients {
		c.expect(want...)
	}
}

// Clients echo, with and without compression, messages of every size that
// meets a border.
func TestEchoCompressed(t *testing.T) {
	s := startServer(t, func(c *Config) {
		c.Compress, c.OnMessage, c.MaxMessage, c.SendQueue, c.InitMessage = true, loop.OnMessageEcho, 4<<20, 32<<20, ""
	})
	const buffer, slice = 32 << 10, 64 << 10 // of a loop, in which it inflates
	plain, packed := s.dial(), s.dialCompressing()
	var want []string
	for _, n := range []int{0, 1, 125, 126, 255, 256, buffer - 1, buffer, buffer + 1, 65535, 65536, 3 * slice, 3 << 20} {
		text := longText(n)
		want = append(want, text)
		for _, c := range []*testClient{plain, packed} {
			if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	plain.expect(want...)
	packed.expect(want...)
	if st := s.stats(); st.Inflated != uint64(len(want)) && st.Inflated != uint64(len(want)-1) || st.MessagesIn != uint64(2*len(want)) {
		t.Errorf("%d messages inflated, %d in all, of %d twice", st.Inflated, st.MessagesIn, len(want))
	}
}

// noise is bytes that nothing makes shorter.
func noise(n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

const deflatingHead = "GET /ws HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

const offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"

// compressingRaw speaks bytes.
type compressingRaw struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// rawCompressing connects a socket that offers permessage-deflate.
func (s *testServer) rawCompressing() *compressingRaw {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	r := &compressingRaw{s.t, conn, bufio.NewReader(conn)}
	r.write([]byte(strings.TrimSuffix(deflatingHead, "\r\n") + offer))
	for {
		line, err := r.in.ReadString('\n')
		if err != nil {
			s.t.Fatal(err)
		}
		if line == "\r\n" {
			return r
		}
	}
}

func (r *compressingRaw) write(b []byte) {
	r.t.Helper()
	if _, err := r.conn.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// closeCode reads to the end and returns the code of the close frame.
func (r *compressingRaw) closeCode() ws.StatusCode {
	r.t.Helper()
	b, err := io.ReadAll(r.in)
	if err != nil {
		r.t.Fatal(err)
	}
	p := codec.Parser{Client: true}
	for len(b) > 0 {
		n, ev, err := p.Next(b, 1<<20)
		if err != nil {
			r.t.Fatal(err)
		}
		if ev.Kind == codec.EventClose {
			return ev.Code
		}
		b = b[n:]
	}
	return 0
}

// Whoever is told of messages sees them plain and whole, however they came.
func TestEventsSeePlain(t *testing.T) {
	log := newEventLog()
	s := startServer(t, func(c *Config) { c.Compress, c.Events, c.MaxMessage = true, log, 1<<20 })
	c := s.dialCompressing()
	want := []string{"open|"}
	for _, n := range []int{0, 5, 300, 32 << 10, 400_000} {
		text := longText(n)
		if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
		want = append(want, "message false "+text+"|")
	}
	eventually(t, "all events", func() bool { return len(log.of(0)) == len(want) })
	for i, got := range log.of(0) {
		if got != want[i] {
			t.Errorf("event %d: %.60q (%d bytes), want %.60q (%d bytes)", i, got, len(got), want[i], len(want[i]))
		}
	}
	if st := s.stats(); st.Inflated < 4 {
		t.Errorf("%d messages were compressed", st.Inflated)
	}
}

// deflated is what a client sends for plain, as compress/flate makes it.
func deflated(plain []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(plain)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

func compressedFrame(op ws.OpCode, payload []byte) []byte {
	b := codec.AppendMaskedFrame(nil, op, payload, [4]byte{1, 2, 3, 4})
	b[0] |= 0x40
	return b
}

// What a compressed message may not be, with its close code and counter.
func TestInflateErrors(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Compress = true; c.OnMessage = loop.OnMessageIgnore })
	half := deflated([]byte(longText(3000)))
	want := map[string]uint64{}
	for _, test := range []struct {
		name    string
		op      ws.OpCode
		payload []byte
		code    ws.StatusCode
		counter string
	}{
		{"a bomb", ws.OpBinary, deflated(make([]byte, 16<<20)), 1009, "too_big"},
		{"a byte too much", ws.OpBinary, deflated(make([]byte, 64<<10+1)), 1009, "too_big"},
		{"noise", ws.OpBinary, []byte("\xff\xff\xff\xff"), 1007, "invalid"},
		{"cut", ws.OpBinary, half[:len(half)/2], 1007, "invalid"},
		{"no deflate", ws.OpText, []byte("hello, world"), 1007, "invalid"},
		{"nothing at all", ws.OpText, nil, 1007, "invalid"},
		{"no text", ws.OpText, deflated([]byte("\xff")), 1007, "invalid_utf8"},
		{"text that is cut", ws.OpText, deflated([]byte("caf\xc3")), 1007, "invalid_utf8"},
	} {
		r := s.rawCompressing()
		r.write(compressedFrame(test.op, test.payload))
		if code := r.closeCode(); code != test.code {
			t.Errorf("%s: closed with %d, want %d", test.name, code, test.code)
		}
		want[test.counter]++
	}
	if st := s.stats(); fmt.Sprint(st.InflateErrors) != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", st.InflateErrors, want)
	}
}

// The same on the wire.
func TestInflateEndlessOnTheWire(t *testing.T) {
	part := append(deflated([]byte(noise(500))), 0, 0, 0xff, 0xff) // an empty block: the stream goes on
	first := compressedFrame(ws.OpBinary, part)
	first[0] &^= 0x80
	more := codec.AppendMaskedFrame(nil, ws.OpContinuation, part, [4]byte{1, 2, 3, 4})
	more[0] &^= 0x80

	s := startServer(t, func(c *Config) { c.Compress = true })
	r := s.rawCompressing()
	r.write(append(first, bytes.Repeat(more, 2*(64<<10)/len(part))...))
	if code := r.closeCode(); code != 1009 {
		t.Errorf("closed with %d", code)
	}
	_ = r.conn.Close()
	eventually(t, "the counter", func() bool { return s.stats().Closes["too_big"] == 1 })
}

// Without --compress nothing is agreed on, and RSV1 is a violation.
func TestCompressOff(t *testing.T) {
	s := startServer(t, nil)
	c := s.dialCompressing()
	text := longText(2000)
	if _, err := s.Push(context.Background(), gateway.Push{To: gateway.Targets{All: true}, Payload: []byte(text), Wait: true}); err != nil {
		t.Fatal(err)
	}
	c.expect(text)
	if st := s.stats(); st.CompressedClients != 0 || st.Compressed != 0 {
		t.Errorf("%+v", st)
	}
	r := s.rawCompressing()
	r.write(compressedFrame(ws.OpText, deflated([]byte("x"))))
	if code := r.closeCode(); code != 1002 {
		t.Errorf("closed with %d", code)
	}
}
