package gatewayworker

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
)

// turns are an inner loop with one worker, and what is handed to this.
type turns struct {
	*innerLoop
	worker *innerConn
}

func newTurns(t *testing.T) *turns {
	b, err := linux.bell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	count := &counters{}
	q := &eventQueue{local: netip.MustParseAddrPort("127.0.0.1:2900"), limit: 64 << 20, bell: b, count: count, clients: map[uint32]*backlog{}}
	q.phase.Store(int32(phaseServed))
	s := &turns{&innerLoop{queue: q, workers: newWorkers(RouteLeast, q), count: count, began: time.Now()}, &innerConn{}}
	s.workers.attach("w:0", s.worker)
	return s
}

// does has a client connect and send so many messages of a byte.
func (s *turns) does(connection uint32, messages int) {
	c := gateway.EventClient{Connection: connection}
	s.queue.Opened(c, nil)
	for range messages {
		s.queue.Message(c, false, []byte("x"))
	}
}

// handOn fills the worker's socket once more and returns whose events those are.
func (s *turns) handOn() (of []uint32) {
	s.deliver()
	s.fill(s.worker)
	for rest := s.worker.out; len(rest) > 0; {
		var connection uint32
		_, _, connection, rest = cutFrame(rest)
		of = append(of, connection)
	}
	s.worker.out, s.worker.sent = nil, 0
	return of
}

// However many clients have always something waiting, one who says something now
// and then waits for what the socket was given before, and for one event of the
// others at most; all of a short visit is handed on at once.
func TestQuietBeforeLoud(t *testing.T) {
	const loud, quiet = 300, 1000
	s := newTurns(t)
	for i := range uint32(loud) {
		s.does(i+1, 200)
	}
	for handed := 0; handed < 2*loud*quickEvents; { // nobody has come just now
		handed += len(s.handOn())
	}
	if n := len(s.handOn()); n > 100 {
		t.Errorf("%d events wait for a socket that is full", n)
	}
	for i := range uint32(50) {
		s.does(quiet+i, 1)
		s.queue.Closed(gateway.EventClient{Connection: quiet + i})
		got := s.handOn()
		want := []uint32{quiet + i, quiet + i, quiet + i}
		if at := min(len(got), 1); fmt.Sprint(got[:3]) != fmt.Sprint(want) && fmt.Sprint(got[at:4]) != fmt.Sprint(want) {
			t.Fatalf("a visit is not among the first: %v", got)
		}
	}
}

// Those who come now do not keep those waiting who have waited: every other turn
// is theirs.
func TestLoudIsNotStarved(t *testing.T) {
	s := newTurns(t)
	s.does(1, 2000)
	s.handOn()
	for i := range uint32(1000) {
		s.does(100+i, 0)
	}
	ofLoud, ofOthers := 0, 0
	for ofOthers < 1000 {
		for _, c := range s.handOn() {
			if c == 1 {
				ofLoud++
			} else {
				ofOthers++
			}
		}
	}
	if ofLoud < 900 {
		t.Errorf("%d events of one who waited, beside %d of those who came later", ofLoud, ofOthers)
	}
}

// What a worker has not got is the first again, and in order, whichever line its
// client stood in.
func TestTurnsKeepOrder(t *testing.T) {
	s := newTurns(t)
	for i := range uint32(20) {
		s.does(i+1, 50)
	}
	s.deliver()
	s.fill(s.worker)
	s.queue.putBack(s.worker.out)
	s.worker.out = nil
	messages := map[uint32]int{}
	for all := 0; all < 20*51; {
		s.deliver()
		s.fill(s.worker)
		for rest := s.worker.out; len(rest) > 0; all++ {
			var command wire.Command
			var connection uint32
			_, command, connection, rest = cutFrame(rest)
			if first := messages[connection] == 0; first != (command == wire.OnConnect) {
				t.Fatalf("client %d: command %d after %d events", connection, command, messages[connection])
			}
			messages[connection]++
		}
		s.worker.out, s.worker.sent = nil, 0
	}
	if bytes, clients, _ := s.queue.waiting(); bytes != 0 || clients != 0 {
		t.Errorf("%d bytes of %d clients are left", bytes, clients)
	}
}
