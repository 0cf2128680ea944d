package stress

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// traffic is what goes on while the clock jumps.
type traffic struct {
	stay []*wstest.Client // the first of them sends messages
	over atomic.Bool
	busy sync.WaitGroup

	// Valid while no goroutine of busy runs.
	said          int // number of broadcasts
	begun, ended  time.Time
	taken, turned int // connections from hammerAddress
}

// hammerAddress is an address from which clients connect faster than they may.
var hammerAddress = net.IPv4(127, 0, 0, 2)

func startTraffic(t *Trial, s *site) *traffic {
	f := &traffic{stay: s.crowd(t, 10)}
	every := func(pause time.Duration, do func()) {
		f.busy.Go(func() {
			for !f.over.Load() {
				do()
				time.Sleep(pause)
			}
		})
	}
	every(5*time.Millisecond, func() {
		status, answer, err := s.TryControl("POST", "/v1/push", wstest.M{"to": wstest.All(), "text": numbered(f.said, 200)})
		matched, _ := answer["matched"].(float64)
		t.Check(err == nil && status == 200, "a broadcast: status %d, %v", status, err)
		f.said++
		s.mu.Lock()
		s.matched += int(matched)
		s.expected[pushes]++
		s.mu.Unlock()
	})
	every(100*time.Millisecond, func() { t.within(func(t *Trial) { guest(t, s, true) }) })
	every(100*time.Millisecond, func() { // half of the allowed rate
		err := f.stay[0].Conn.Write(t.ctx, 1, []byte("half the allowed rate"))
		t.Check(err == nil, "a client's message: %v", err)
	})
	f.begun = time.Now()
	every(2*time.Millisecond, func() { f.hammer(t, s) })
	return f
}

// connect opens a connection from hammerAddress and returns it with the status of
// its handshake.
func connect(s *site) (c net.Conn, status string, err error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: hammerAddress}, Timeout: wstest.Patience}
	if c, err = d.Dial("tcp", s.Addr); err != nil {
		return nil, "", err
	}
	c.SetDeadline(time.Now().Add(wstest.Patience))
	c.Write([]byte(wstest.Handshake)) // may fail: a refused connection need not be read
	head := make([]byte, len("HTTP/1.1 101"))
	if _, err = io.ReadFull(c, head); err != nil {
		c.Close()
		return nil, "", err
	}
	return c, string(head[len(head)-3:]), nil
}

// hammer connects and disconnects once.
func (f *traffic) hammer(t *Trial, s *site) {
	c, status, err := connect(s)
	f.ended = time.Now()
	t.Check(err == nil && (status == "101" || status == "429"), "connecting too fast is answered %q, %v", status, err)
	if err != nil {
		return
	}
	c.Close()
	if status == "101" {
		f.taken++
		s.expect(handshakesOK, 1)
		return
	}
	f.turned++
	s.expect(handshakes("address_rate"), 1)
}

// end stops the traffic and checks that nobody noticed a jump.
func (f *traffic) end(t *Trial, s *site) {
	f.over.Store(true)
	f.busy.Wait()
	for i, c := range f.stay {
		c.Await(f.said)
		t.all("a client that stayed", numbersOf(c), f.said)
		t.Check(c.Err() == nil, "a client that stayed ended with %v", c.Err())
		t.Check(i == 0 || c.Pings() > 0, "a silent client that stayed got no pings")
		s.addReceived(f.said)
	}
	span := f.ended.Sub(f.begun).Seconds()
	most := connectBurst + connectRate*span + 1
	t.Check(float64(f.taken) <= most, "%d connections of one address in %.1f s, want %.0f at most", f.taken, span, most)
	t.Check(float64(f.taken) >= most*0.9, "%d connections of one address in %.1f s, want nearly %.0f", f.taken, span, most)
	t.Check(f.turned > 0, "the limit of connections was not reached")
}

// pause waits until the gateway need not remember hammerAddress any more, and
// connects once more so that the entry is dropped.
func (f *traffic) pause(t *Trial, s *site) {
	const full, one = time.Second * connectBurst / connectRate, time.Second / connectRate
	time.Sleep(time.Until(f.ended.Add(full)))
	c, status, err := connect(s)
	t.Check(err == nil && status == "101", "connecting after a pause is answered %q, %v", status, err)
	if err != nil {
		return
	}
	s.expect(handshakesOK, 1)
	time.Sleep(2 * one)
	c.Close()
}
