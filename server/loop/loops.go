package loop

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"castgate/codec"
	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/heartbeat"
	"castgate/server/internal/clientid"
	"castgate/server/internal/descriptors"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/tally"
	"castgate/server/transport"
)

// Loops are the event loops of a process and what they share: who is who, the
// descriptors, the limits that can change. Any goroutine may call the methods.
type Loops struct {
	// Static after New.
	config    Config
	log       *slog.Logger
	sys       *kernel.Calls
	IDs       *clientid.IDs
	admission *admission.Control
	tlsPool   *transport.Handshakes // nil without a wss listener
	Registry  *registry
	Encoder   *frames.Encoder
	fds       *descriptors.Table
	loops     []*loop
	greeting  frames.Greeting // Config.InitMessage
	ports     []uint16        // of the listeners of clients

	ticks      atomic.Pointer[capacity.Ticks]
	initOff    atomic.Bool  // SuspendInit
	unwanted   atomic.Bool  // WantMessages
	anyText    atomic.Bool  // WantMessages
	assembling atomic.Int64 // bytes of messages that are not whole, beyond freeAssembly of each
	sockets    atomic.Int64 // client sockets open, of every phase
	pushQueue  atomic.Int64 // Capacity.PushQueue
	timing     tally.PushTimer

	results chan error    // of the loops' run
	running atomic.Bool   // the loops serve
	ended   chan struct{} // closed when every loop has ended
}

// Config is what Loops are told at their start. The fields that Config has too are
// as there.
type Config struct {
	Loops                      int
	OnMessage                  OnMessage
	InitMessage                string
	Compress                   bool
	CompressMin, CompressLevel int
	capacity.Capacity
	Heartbeat heartbeat.Settings
	Events    gateway.Events
	Watchers  []gateway.Watcher
	Names     gateway.NameWatcher
	Hook      gateway.ConnectHook
	// Plain are the forms of listeners without handshakes: each push is made in them.
	Plain frames.Set
	// Files is the highest number that a descriptor can have.
	Files     uint64
	IDs       *clientid.IDs
	Admission *admission.Control
	TLS       *transport.Handshakes // nil without a wss listener
	// Ready tells probes on the listeners of clients whether clients are taken. Loops call
	// it, so it must not block.
	Ready  func() bool
	Log    *slog.Logger
	System *kernel.Calls
}

func New(c Config) (*Loops, error) {
	s := &Loops{
		config: c, log: c.Log, sys: c.System, IDs: c.IDs, admission: c.Admission, tlsPool: c.TLS,
		Registry: newRegistry(c.Loops), Encoder: frames.NewEncoder(c.Plain), fds: descriptors.New(c.Files),
		ended: make(chan struct{}),
	}
	if c.InitMessage != "" {
		s.greeting = frames.NewGreeting(c.InitMessage)
	}
	if c.Compress {
		s.Encoder.Compress(c.CompressMin, c.CompressLevel)
	}
	s.ticks.Store(c.Capacity.Ticks())
	s.pushQueue.Store(int64(c.Capacity.PushQueue))
	s.Registry.peers, s.Registry.keepSessions = s.IDs.Peers, c.Events != nil
	s.Registry.Watchers, s.Registry.IDs = c.Watchers, s.IDs
	if c.Names != nil {
		s.Registry.WatchNames(c.Names)
	}
	for i := range c.Loops {
		l, err := newLoop(s, i)
		if err != nil {
			s.Discard()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	s.Registry.loops = s.loops
	return s, nil
}

// Discard gives back what loops hold that have never run.
func (s *Loops) Discard() {
	for _, l := range s.loops {
		l.discard()
	}
}

// Elapsed is the loops' clock: monotonic time.
func (s *Loops) Elapsed() time.Duration { return s.sys.Elapsed() }

// Start has the loops serve until stop. ports are those of the listeners, by their number.
func (s *Loops) Start(ports []uint16) {
	s.ports = ports
	s.results = make(chan error, len(s.loops))
	for _, l := range s.loops {
		go func() { s.results <- l.run() }()
	}
	s.running.Store(true)
}

// Wait returns when the loops have ended. If one has without having been asked, the
// others are stopped, and the error says why.
func (s *Loops) Wait() error {
	var first error
	for range s.loops {
		if err := <-s.results; err != nil && first == nil {
			first = err
			s.Stop()
		}
	}
	s.running.Store(false)
	return first
}

// Stop ends the loops at once: sockets are closed as they are.
func (s *Loops) Stop() {
	for _, l := range s.loops {
		l.mail.post(command{kind: cmdStop})
	}
}

// Do has one of the loops, by its number, call a function between two of its turns. It
// does not wait for that. False if the loop has ended.
func (s *Loops) Do(i int, do func()) bool {
	return s.loops[i].mail.post(command{kind: cmdFunc, run: func(*loop) { do() }})
}

// Leftover says what loops that have ended should have given back and did not; nil if
// there is nothing.
func (s *Loops) Leftover() error {
	for _, l := range s.loops {
		if n := l.writer.waiting(); n != 0 {
			return fmt.Errorf("loop %d has ended with %d frames that wait", l.idx, n)
		}
	}
	return nil
}

// Close gives back what the loops have left, after wait, once nobody calls arrive any
// more.
func (s *Loops) Close() {
	for _, l := range s.loops {
		_ = l.poller.Close()
	}
	close(s.ended)
}

// Defect counts and logs a panic that was survived outside the loops.
func (s *Loops) Defect(where string, p any, stack []byte) {
	s.loops[0].count.Panics.Add(1)
	s.log.Error("defect while "+where, "panic", fmt.Sprint(p), "stack", string(stack))
}

// WhenEnded is closed when every loop has ended.
func (s *Loops) WhenEnded() <-chan struct{} { return s.ended }

// SocketAccepted counts a socket that is to arrive, and returns how many there are with
// it. dismiss undoes that, and the end of its connection.
func (s *Loops) SocketAccepted() (open int) { return int(s.sockets.Add(1)) }

// OpenSockets is how many sockets of clients are open, of every phase.
func (s *Loops) OpenSockets() int { return int(s.sockets.Load()) }

// Arrive hands an accepted socket to the loops in turn: n counts those before. False if the
// loop has ended. The goroutine of the listener.
func (s *Loops) Arrive(a Arrival, n int) bool { return s.loops[n%len(s.loops)].mail.arrive(a) }

// TurnedAway counts and logs a socket that was refused and is not to arrive.
func (s *Loops) TurnedAway(peer netip.AddrPort, why codec.HandshakeResult) {
	s.loops[0].count.Handshakes[why].Add(1)
	if traces(s.log) {
		logRefused(s.log, peer, why.String())
	}
}

// After iterates over the clients above a handle in their order, from the first for 0.
// Clients that come or go meanwhile may or may not be among them.
func (s *Loops) After(h table.Handle) iter.Seq[table.Handle] {
	return func(yield func(table.Handle) bool) {
		from := h.Slot()
		for i := h.Loop(); i < len(s.loops); i++ {
			for c := range s.loops[i].registeredFrom(from) {
				if c > h && !yield(c) {
					return
				}
			}
			from = 0
		}
	}
}

// SetLimits replaces the limits. Each loop takes them up in its turn, before any push
// that is asked for later.
func (s *Loops) SetLimits(n capacity.Capacity) {
	s.ticks.Store(n.Ticks())
	// What pushes have taken of the room stays taken.
	more := int64(n.PushQueue) - s.pushQueue.Swap(int64(n.PushQueue))
	for _, l := range s.loops {
		l.mail.release(more)
		l.mail.post(command{kind: cmdFunc, run: func(l *loop) { l.limit(n) }})
	}
}

// Connected is how many clients there are.
func (s *Loops) Connected() (n int) {
	for _, l := range s.loops {
		n += int(l.count.Connections.Load())
	}
	return n
}

// Quiet is for how long the loop has not ticked that ticked first.
func (s *Loops) Quiet() time.Duration {
	now := s.sys.Elapsed()
	first := now
	for _, l := range s.loops {
		first = min(first, time.Duration(l.count.Ticked.Load()))
	}
	return now - first
}

// Queued is how many bytes wait for all clients.
func (s *Loops) Queued() (n uint64) {
	for _, l := range s.loops {
		n += uint64(max(l.count.QueuedBytes.Load(), 0))
	}
	return n
}

// Waiting is how many connections wait to be admitted. Any goroutine.
func (s *Loops) Waiting() int {
	n := int64(0)
	for _, l := range s.loops {
		n += l.count.Waiters.Load()
	}
	return int(n)
}

// Wake implements GatewayWorker.
func (s *Loops) Wake() {
	for _, l := range s.loops {
		l.mail.wake()
	}
}

// AddTo adds what the loops have counted to a reading.
func (s *Loops) AddTo(st *gateway.Stats) {
	st.Sockets, st.Waiting = int(s.sockets.Load()), s.Waiting()
	st.Connections, st.UIDs, st.Groups = s.Connected(), s.Registry.UIDs.Len(), s.Registry.Groups.Len()
	for _, l := range s.loops {
		l.count.AddTo(st)
	}
	st.CompressedClients += s.Registry.forms.CountDeflated()
	s.Encoder.AddTo(st)
	// What ended is read before what was matched, so Queued is never too low.
	ended := st.Written
	for _, n := range st.Dropped {
		ended += n
	}
	for _, l := range s.loops {
		st.Matched += l.count.Matched.Load()
	}
	st.Queued = int(st.Matched - ended)
}

// backlog is what waits for a client, and for how long it has said nothing.
type backlog struct {
	Bytes, Frames int
	Silent        time.Duration // since its last byte, or, if Pinged, since the ping
	Pinged        bool
}

// WaitingFor asks a client's loop what waits for it: nothing if it is gone. It waits for
// the loop; the error is ctx's.
func (s *Loops) WaitingFor(ctx context.Context, h table.Handle) (backlog, error) {
	answer := make(chan backlog, 1)
	s.loops[h.Loop()].mail.post(command{kind: cmdFunc, run: func(l *loop) {
		var b backlog
		if c := l.receiver(h); c != nil {
			silent := time.Duration(l.clock.now()-c.silentSince) * kernel.Tick
			b = backlog{int(c.out.Bytes()), int(c.out.Len()), silent, c.is(flagPinged)}
		}
		answer <- b
	}})
	select {
	case b := <-answer:
		return b, nil
	case <-ctx.Done():
		return backlog{}, ctx.Err()
	case <-s.ended:
		return backlog{}, nil
	}
}
