package gatewayworker

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// Whatever sessions events have, a backlog returns them as frames, in order.
func TestBacklogKeepsOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		q := newTurns(t).queue
		q.mu.Lock()
		b := q.backlog(1, 1)
		var want [][]byte
		bytesWaiting := 0
		check := func() {
			t.Helper()
			if b.waiting() != bytesWaiting || q.room.Held() != bytesWaiting || b.count() != len(want) {
				t.Fatalf("%d bytes of %d events wait, %d are counted; want %d of %d", b.waiting(), b.count(), q.room.Held(), bytesWaiting, len(want))
			}
		}
		for range 1 + random.IntN(30) {
			if random.IntN(3) > 0 || len(want) == 0 {
				h := wire.Header{Command: wire.OnMessage, ConnectionID: 1, ClientPort: uint16(random.Uint32())}
				session := strings.Repeat("s", random.IntN(3)*random.IntN(2*keepFrames))
				body := bytes.Repeat([]byte("b"), random.IntN(100))
				before := b.waiting()
				b.append(&h, session, body)
				q.weigh(b, b.waiting()-before)
				want = append(want, wire.AppendEvent(nil, &h, session, body))
				clear(body) // it was the caller's
			} else {
				before := b.waiting()
				got := b.cut(nil)
				q.weigh(b, b.waiting()-before)
				if !bytes.Equal(got, want[0]) {
					t.Fatalf("a frame of %d bytes, want %d, or other bytes", len(got), len(want[0]))
				}
				want = want[1:]
			}
			bytesWaiting = 0
			for _, frame := range want {
				bytesWaiting += len(frame)
			}
			check()
		}
		if b.closes() {
			t.Error("a backlog without a close event has one")
		}
		h := wire.Header{Command: wire.OnClose, ConnectionID: 1}
		before := b.waiting()
		b.append(&h, "last", nil)
		q.weigh(b, b.waiting()-before)
		if !b.closes() {
			t.Error("the close event is not the last")
		}
		q.clearButLast(b)
		last := wire.AppendEvent(nil, &h, "last", nil)
		want, bytesWaiting = [][]byte{last}, len(last)
		check()
		if got := b.cut(nil); !bytes.Equal(got, last) {
			t.Errorf("the last frame is %q", got)
		}
		q.mu.Unlock()
	}
}

// Clients with sessions of megabytes that leave, or send something, cost the event
// loops as little as others: their sessions are not copied there.
func TestLongSessionsAreNotCopied(t *testing.T) {
	s := newTurns(t)
	s.serves(&readmissions{})
	session := strings.Repeat("s", 7<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	events := 0
	for i := range uint32(8) {
		c := gateway.EventClient{Connection: i + 1, Session: session}
		s.queue.Opened(gateway.EventClient{Connection: i + 1}, nil)
		if s.queue.Message(c, false, []byte("x")) == gateway.TakenEnough {
			events++
		}
		s.queue.Closed(c)
		events++
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d events take %d bytes", events, n)
	}
	if events < 10 {
		t.Errorf("%d events are queued", events)
	}
	for handed := 0; handed < events+8; { // each client's connect, too
		s.deliver()
		s.fill(s.worker)
		long := 0
		for rest := s.worker.out.bytes; len(rest) > 0; handed++ {
			var frame []byte
			if frame, _, _, rest = cutFrame(rest); len(frame) > len(session) {
				long++
			}
		}
		if long > 1 {
			t.Fatalf("%d long sessions in one turn", long)
		}
		s.worker.out.drop()
	}
	if bytes, clients, _ := s.queue.waiting(); bytes != 0 || clients != 0 {
		t.Errorf("%d bytes of %d clients are left", bytes, clients)
	}
}
