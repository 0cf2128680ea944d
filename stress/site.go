package stress

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// Names of samples of /metrics.
const (
	handshakesOK      = `castgate_handshakes_total{result="ok"}`
	handshakesGone    = `castgate_handshakes_total{result="gone"}`
	handshakesBusy    = `castgate_handshakes_total{result="busy"}`
	handshakesTimeout = `castgate_handshakes_total{result="timeout"}`
	droppedSlow       = `castgate_deliveries_total{outcome="dropped_slow"}`
	messagesReceived  = "castgate_messages_received_total"
	pushes            = "castgate_pushes_total"
)

// closes is the sample that counts closes for a reason.
func closes(reason string) string { return fmt.Sprintf("castgate_closes_total{reason=%q}", reason) }

// handshakes is the sample that counts handshakes with a result.
func handshakes(result string) string {
	return fmt.Sprintf("castgate_handshakes_total{result=%q}", result)
}

// site is the gateway of a scenario and what its counters must show.
type site struct {
	*wstest.Gateway
	t     *Trial
	start residue

	mu       sync.Mutex
	expected map[string]int  // by sample: its value at the end
	matched  int             // deliveries, according to the answers to pushes
	unknown  map[string]bool // samples whose value cannot be known
	received int             // messages received by clients
	tells    bool            // it has connections to a backend, which come and go

	attacked atomic.Int64 // bytes sent by attackers
}

// residue is what a gateway holds when nobody is connected.
type residue struct{ files, goroutines, memory int }

// How much more than before may remain when all clients have left.
const (
	goroutineSlack = 4       // of the runtime, and of a control request that is ending
	memorySlack    = 8 << 20 // normal fluctuation of a process within a second
	// memoryPatience is how long the gateway may take to give memory back. It waits
	// for quiet, so nothing is asked of it meanwhile.
	memoryPatience = 30 * time.Second
)

// open starts a gateway. Its residue is taken after each part of it has run once.
func open(t *Trial, o wstest.Options) *site {
	s := &site{Gateway: wstest.StartWith(t, o), t: t}
	s.settleIn()
	return s
}

// settleIn takes the present state of the gateway as the new beginning, for a fresh
// process.
func (s *site) settleIn() {
	s.expected, s.unknown, s.matched, s.received = map[string]int{}, map[string]bool{}, 0, 0
	s.t.within(func(t *Trial) {
		crowd := s.crowd(t, 20)
		wstest.Parallel(8, 8, func(int) { s.TryMetrics() })
		s.broadcast("warm")
		for _, c := range crowd {
			c.Expect("warm")
		}
		s.addReceived(len(crowd))
	})
	s.AwaitMetric("castgate_sockets", 0)
	s.start = s.residue()
}

func (s *site) residue() residue {
	m := s.Metrics()
	control := int(m["castgate_control_connections"])
	return residue{
		files:      wstest.FDs(s.t, s.PID()) - control,
		goroutines: int(m["go_goroutines"]) - control,
		memory:     wstest.PSSAnon(s.t, s.PID()),
	}
}

// expect adds n to what a counter must show at the end.
func (s *site) expect(sample string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected[sample] += n
}

// skip excludes a counter from the check at the end: an attacker cannot know how
// much of its data was read.
func (s *site) skip(sample string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unknown[sample] = true
}

// addReceived adds to the pushed messages that clients have received.
func (s *site) addReceived(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received += n
}

// broadcast pushes to everybody and records the answer.
func (s *site) broadcast(text string) (matched int) { return s.push(wstest.All(), text) }

// matchedByPHP adds the number of clients that an unanswered command matches.
func (s *site) matchedByPHP(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.matched += n
	s.expected[pushes]++
}

func (s *site) push(to wstest.M, text string) (matched int) {
	matched = s.Push(to, text)
	s.mu.Lock()
	s.matched += matched
	s.expected[pushes]++
	s.mu.Unlock()
	return matched
}

// crowd connects n clients that read, a few at a time.
func (s *site) crowd(t *Trial, n int) []*wstest.Client {
	clients := make([]*wstest.Client, n)
	errs := make([]error, n)
	wstest.Parallel(n, 8, func(i int) { clients[i], _, errs[i] = s.TryDial(t, wstest.DialOptions{}) })
	for i, err := range errs {
		t.Must(err == nil, "client %d of %d: %v", i, n, err)
	}
	s.expect(handshakesOK, n)
	return clients
}

// raw connects n clients on raw sockets and completes their handshakes.
func (s *site) raw(t *Trial, n int) []*wstest.Raw {
	list := make([]*wstest.Raw, n)
	for i := range list {
		list[i] = s.DialRaw(t)
		list[i].Upgrade()
	}
	s.expect(handshakesOK, n)
	return list
}

// close waits until nobody is connected. It compares the counters with what the
// clients saw, and the residue with the beginning.
func (s *site) close() {
	t := s.t
	d := s.Settled(t)
	s.AwaitMetric("castgate_sockets", 0)
	s.AwaitMetric("castgate_groups", 0) // a client in thousands of groups leaves a few at a time
	m := s.Metrics()
	t.Equal("deliveries matched, as the answers to pushes say", d.Matched, s.matched)
	t.Equal("deliveries written and dropped, as matched", d.Written+d.Dropped, d.Matched)
	t.Check(d.Written >= s.received, "%d deliveries were written, but clients have %d", d.Written, s.received)
	for sample, want := range s.expected {
		if s.unknown[sample] {
			continue
		}
		t.Equal(sample, int(m[sample]), want)
	}
	byPeer := int(m[handshakesOK])
	for sample, n := range s.expected {
		if strings.HasPrefix(sample, "castgate_closes_total{") {
			byPeer -= n
		}
	}
	var reasons []string
	for sample, n := range m {
		if n > 0 && strings.HasPrefix(sample, "castgate_closes_total{") {
			reasons = append(reasons, fmt.Sprintf("%s %v", sample, n))
		}
	}
	left := int(m[closes("peer_gone")] + m[closes("peer_closed")])
	t.Check(left == byPeer, "closes by peers, as clients left: %d, want %d: %s", left, byPeer, strings.Join(reasons, ", "))
	t.Equal("closes, as handshakes succeeded", int(m["castgate_closes_total"]), int(m[handshakesOK]))
	t.Equal("handshakes decided, as sockets accepted and turned away",
		int(m["castgate_handshakes_total"]-m[handshakesBusy]), int(m["castgate_accepted_total"]))
	for _, sample := range []string{
		"castgate_panics_total", "castgate_queue_bytes", "castgate_deliveries_queued",
		"castgate_uids", "castgate_groups", "castgate_addresses",
	} {
		v, there := m[sample]
		t.Check(there && v == 0, "%s is %v at the end (present: %v), want 0", sample, v, there)
	}
	var now residue
	wstest.Await(t, func() string {
		now = s.residue()
		if now.files > s.start.files || now.goroutines > s.start.goroutines+goroutineSlack {
			return fmt.Sprintf("the gateway still holds %+v, began with %+v", now, s.start)
		}
		return ""
	})
	if !s.tells { // or Await has looked
		t.Equal("open files, as at the beginning", now.files, s.start.files)
	}
	t.Check(now.goroutines <= s.start.goroutines+goroutineSlack, "%d goroutines, began with %d", now.goroutines, s.start.goroutines)
	memory := now.memory
	for end := time.Now().Add(memoryPatience); memory > s.start.memory+memorySlack && time.Now().Before(end) && !wstest.RaceEnabled; {
		time.Sleep(time.Second / 4)
		memory = wstest.PSSAnon(t, s.PID())
	}
	t.Check(wstest.RaceEnabled || memory <= s.start.memory+memorySlack,
		"%d MiB of memory, began with %d", memory>>20, s.start.memory>>20)
}
