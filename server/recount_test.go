package server

import (
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"castgate/server/admission"
)

// A limit of connections by address that is set later counts those that are
// there: they stay, and there is no room before enough have gone.
func TestLimitCountsThosePresent(t *testing.T) {
	s := startServer(t, nil)
	var clients []*testClient
	for range 6 {
		clients = append(clients, s.dial())
	}
	if n := s.stats().Addresses; n != 0 {
		t.Fatalf("%d addresses are counted without a limit", n)
	}
	if err := s.SetPolicy(admission.Policy{MaxConnsPerIP: 4}); err != nil {
		t.Fatal(err)
	}
	if got := s.status(nil); got != http.StatusTooManyRequests {
		t.Fatalf("one more is answered %d", got)
	}
	for _, c := range clients[:3] {
		_ = c.ws.CloseNow()
	}
	eventually(t, "three to be gone and the refused one", func() bool { return s.stats().Sockets == 3 })
	clients = append(clients[3:], s.dial())
	if got := s.status(nil); got != http.StatusTooManyRequests {
		t.Fatalf("a fifth one is answered %d", got)
	}
	// A second change counts nobody twice.
	if err := s.SetPolicy(admission.Policy{MaxConnsPerIP: 5}); err != nil {
		t.Fatal(err)
	}
	clients = append(clients, s.dial())
	for _, c := range clients {
		_ = c.ws.CloseNow()
	}
	eventually(t, "all to be gone", func() bool { st := s.stats(); return st.Sockets == 0 && st.Addresses == 0 })
}

// Trusted proxies are not counted, those behind them by their own address.
func TestLimitCountsThosePresentBehindProxies(t *testing.T) {
	s := startServer(t, func(c *Config) { c.TrustedProxies = trusting("127.0.0.0/8") })
	for range 3 {
		s.dialFrom("203.0.113.7")
		s.dial()
	}
	if err := s.SetPolicy(admission.Policy{TrustedProxies: trusting("127.0.0.0/8"), MaxConnsPerIP: 3}); err != nil {
		t.Fatal(err)
	}
	if got := s.status(http.Header{"X-Forwarded-For": {"203.0.113.7"}}); got != http.StatusTooManyRequests {
		t.Errorf("a fourth one behind the proxy is answered %d", got)
	}
	s.dialFrom("203.0.113.8")
	s.dial()
}

// dialFrom dials as a proxy does for a client.
func (s *testServer) dialFrom(addr string) *testClient {
	s.t.Helper()
	return s.dialWith(&websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {addr}}})
}

// However connections come and go while limits are switched on and off, in the
// end each that is there counts once, and none that has gone.
func TestRecountWhileClientsComeAndGo(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Loops = 3 })
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 {
		busy.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, err := s.tryDial(); err == nil {
					_ = c.ws.CloseNow()
				}
			}
		})
	}
	const stay = 20
	for i := range stay {
		s.dial()
		limit := 0
		if i%2 == 0 {
			limit = 1000
		}
		if err := s.SetPolicy(admission.Policy{MaxConnsPerIP: limit}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	busy.Wait()
	eventually(t, "the others to be gone", func() bool { return s.stats().Sockets == stay })
	if err := s.SetPolicy(admission.Policy{MaxConnsPerIP: stay + 1}); err != nil {
		t.Fatal(err)
	}
	s.dial()
	if got := s.status(nil); got != http.StatusTooManyRequests {
		t.Errorf("answered %d with %d connections of %d", got, stay+1, stay+1)
	}
}
