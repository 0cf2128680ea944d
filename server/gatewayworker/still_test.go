package gatewayworker

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
	"castgate/server/gateway"
	"castgate/server/internal/audit"
)

// stillLoop is an inner loop that does not run: tests call its parts one at a time. Its
// kernel, its clock and the server behind it are what the test says.
type stillLoop struct {
	*innerLoop
	t      testing.TB
	queue  *eventQueue
	server *stillServer
	log    logText

	time    time.Time
	slept   time.Duration
	sockets map[int]*socket
	backlog []*socket // that wait to be accepted
	refuse  []error   // the next results of accept
	watched map[int]uint32
	unwatch error // the next calls of epoll_ctl fail so
	lastFD  int
}

// socket is one side of a connection of an API client or a worker.
type socket struct {
	in      [][]byte // what its peer has sent
	at      []int64  // when, in the order of in
	over    bool     // the peer has ended its side
	reads   []error  // the next results of read, before in
	writes  []error  // the next results of write
	room    int      // bytes that the kernel accepts
	out     []byte   // that it has accepted
	closed  bool
	orderly bool
	soon    bool // nothing is buffered for it
	unacked int
	unsent  int
	gone    bool
}

func newStillLoop(t testing.TB, change func(*Config)) *stillLoop {
	t.Helper()
	l := &stillLoop{
		t: t, time: time.Unix(1e9, 0), sockets: map[int]*socket{}, watched: map[int]uint32{}, lastFD: 1000,
		server: &stillServer{sessions: map[string]string{}},
	}
	c := Defaults()
	if change != nil {
		change(&c)
	}
	b, err := linux.bell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	count := &counters{}
	l.queue = newEventQueue(netip.MustParseAddrPort("127.0.0.1:2900"), c.EventQueue, b, count)
	records := audit.New(nil)
	l.innerLoop = newInnerLoop(c, l.system(), count, slog.New(slog.NewJSONHandler(&l.log, nil)), records, l.queue, "7f0000010b54")
	l.bell, l.epoll = b, 1
	l.serves(l.server, l.server)
	l.execution.begin()
	return l
}

// system is the kernel of a still loop.
func (l *stillLoop) system() *system {
	sys := linux
	sys.now = func() time.Time { return l.time }
	sys.sleep = func(d time.Duration) { l.time, l.slept = l.time.Add(d), l.slept+d }
	sys.read = func(fd int, p []byte) (int, error) {
		n, _, err := l.sockets[fd].take(p, nil, false)
		return n, err
	}
	sys.receive = func(fd int, p, oob []byte) (int, int, error) { return l.sockets[fd].take(p, oob, false) }
	sys.peek = func(fd int, p, oob []byte) (int, int, error) { return l.sockets[fd].take(p, oob, true) }
	sys.write = func(fd int, p []byte) (int, error) { return l.sockets[fd].put(p) }
	sys.close = func(fd int) { l.sockets[fd].closed = true }
	sys.orderly = func(fd int) { l.sockets[fd].orderly = true }
	sys.atOnce = func(fd int) { l.sockets[fd].soon = true }
	sys.unacknowledged = func(fd int) (int, int, bool) {
		s := l.sockets[fd]
		return s.unacked, s.unsent, s.gone
	}
	sys.accept = func(int) (int, netip.AddrPort, error) {
		if len(l.refuse) > 0 {
			err := l.refuse[0]
			l.refuse = l.refuse[1:]
			return -1, netip.AddrPort{}, err
		}
		if len(l.backlog) == 0 {
			return -1, netip.AddrPort{}, unix.EAGAIN
		}
		s := l.backlog[0]
		l.backlog = l.backlog[1:]
		l.lastFD++
		l.sockets[l.lastFD] = s
		return l.lastFD, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(l.lastFD)), nil
	}
	sys.look = func(fds []unix.PollFd) error {
		for i := range fds {
			s := l.sockets[int(fds[i].Fd)]
			fds[i].Revents = 0
			if len(s.in) > 0 || s.over {
				fds[i].Revents = unix.POLLIN
			}
			if s.over {
				fds[i].Revents |= unix.POLLRDHUP
			}
		}
		return nil
	}
	sys.watch = func(_, op, fd int, events uint32) error {
		if err := l.unwatch; err != nil {
			return err
		}
		l.watched[fd] = events
		return nil
	}
	sys.wait = func(int, []unix.EpollEvent, int) (int, error) { return 0, nil }
	return &sys
}

// take is read and recvmsg.
func (s *socket) take(p, oob []byte, peek bool) (n, oobn int, err error) {
	if len(s.reads) > 0 {
		err, s.reads = s.reads[0], s.reads[1:]
		if err != nil {
			return -1, 0, err
		}
	}
	switch {
	case len(s.in) > 0:
	case s.over:
		return 0, 0, nil
	default:
		return -1, 0, unix.EAGAIN
	}
	n = copy(p, s.in[0])
	if len(s.at) > 0 && oob != nil {
		oobn = putStamp(oob, s.at[0])
	}
	if peek {
		return n, oobn, nil
	}
	if s.in[0] = s.in[0][n:]; len(s.in[0]) == 0 {
		s.in = s.in[1:]
		s.at = s.at[min(1, len(s.at)):]
	}
	return n, oobn, nil
}

// put is send.
func (s *socket) put(p []byte) (int, error) {
	if len(s.writes) > 0 {
		err := s.writes[0]
		if s.writes = s.writes[1:]; err != nil {
			return -1, err
		}
	}
	n := min(len(p), s.room)
	if n == 0 {
		return -1, unix.EAGAIN
	}
	s.out, s.room = append(s.out, p[:n]...), s.room-n
	return n, nil
}

// bodies are those of the events that were written to a worker.
func (s *socket) bodies() (all []string) {
	for rest := s.out; len(rest) > 0; {
		var e []byte
		e, _, _, rest = cutFrame(rest)
		all = append(all, string(e[wire.HeaderLen:]))
	}
	return all
}

// connect adds a connection that is in the epoll, and whose peer has sent something.
func (l *stillLoop) connect(sent ...[]byte) (*innerConn, *socket) {
	l.lastFD++
	s := &socket{in: sent, room: 1 << 30}
	l.sockets[l.lastFD] = s
	c := l.connections.add(l.lastFD, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(l.lastFD)))
	c.fresh = false
	return c, s
}

// attach makes a connection that is a worker.
func (l *stillLoop) attach(key string) (*innerConn, *socket) {
	c, s := l.connect()
	l.connections.spoken(c)
	l.delivery.attach(c, []byte(key))
	return c, s
}

// pass lets time pass.
func (l *stillLoop) pass(d time.Duration) { l.time = l.time.Add(d) }

// logged is how many lines of the log have a message.
func (l *stillLoop) logged(message string) (n int) {
	for _, record := range l.log.records(l.t.(*testing.T)) {
		if record["msg"] == message {
			n++
		}
	}
	return n
}

// expectClosed compares why connections have been closed.
func (l *stillLoop) expectClosed(what string, want ...closeReason) {
	l.t.Helper()
	var got []closeReason
	for why := range l.count.closes {
		for range l.count.closes[why].Load() {
			got = append(got, closeReason(why))
		}
	}
	if slices.Sort(want); !slices.Equal(got, want) {
		l.t.Errorf("%s: closed for %d, want %d", what, got, want)
	}
}

// expectNoAccounts checks that nothing is counted as held, waiting or under construction.
func (l *stillLoop) expectNoAccounts(what string) {
	l.t.Helper()
	if l.reader.held != 0 || l.writer.waiting != 0 || l.execution.built != 0 || l.count.held.Load() != 0 || l.count.waiting.Load() != 0 {
		l.t.Errorf("%s: %d bytes are held, %d wait, %d are under construction", what, l.reader.held, l.writer.waiting, l.execution.built)
	}
}

// stillServer is a server that does what the test says, and writes down what it is asked.
type stillServer struct {
	Gateway
	gateway.Host
	calls    []string
	busy     int // the next pushes find no room
	err      error
	sessions map[string]string
	series   int
	clients  int // that Each goes through
	abandons []uint32
	resumes  []uint32
}

func (s *stillServer) said(format string, args ...any) {
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

// heard returns what the server was asked since the last time.
func (s *stillServer) heard() []string {
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *stillServer) push(to gateway.Targets, payload []byte, series bool) error {
	if s.busy > 0 {
		s.busy--
		return &gateway.Error{Code: gateway.CodeBusy}
	}
	if s.err != nil {
		return s.err
	}
	s.said("push %d ids %d uids %d groups all %v in series %v: %s", len(to.ClientIDs), len(to.UIDs), len(to.Groups), to.All, series, payload)
	return nil
}

func (s *stillServer) Send(_ context.Context, to gateway.Targets, m gateway.Message) error {
	return s.push(to, m.Payload, false)
}

type stillSeries struct {
	*stillServer
	payload []byte
}

func (s stillSeries) Send(_ context.Context, to gateway.Targets) error {
	return s.push(to, s.payload, true)
}

func (s *stillServer) BeginSeries(_ context.Context, m gateway.Message, exclude []string) (gateway.Series, error) {
	s.series++
	s.said("series without %d", len(exclude))
	return stillSeries{s, m.Payload}, nil
}

func (s *stillServer) Wake() { s.said("wake") }

func (s *stillServer) SessionBytes(_ context.Context, id string) (string, bool, error) {
	session, online := s.sessions[id]
	return session, online, nil
}

func (s *stillServer) PutSessionBytes(_ context.Context, id string, session []byte) error {
	if s.err != nil {
		return s.err
	}
	s.sessions[id] = string(session)
	return nil
}

func (s *stillServer) Online(_ context.Context, q gateway.Online) (gateway.OnlineResult, error) {
	_, online := s.sessions[q.ClientIDs[0]]
	return gateway.OnlineResult{Clients: []bool{online}}, nil
}

func (s *stillServer) Each(ctx context.Context, _ gateway.Each, do func(gateway.ClientState) bool) error {
	for i := range s.clients {
		if i%lookSteps == lookSteps-1 && ctx.Err() != nil {
			return ctx.Err()
		}
		if !do(gateway.ClientState{ClientID: fmt.Sprintf("7f0000010b54%08x", i+1), Session: "session"}) {
			return nil
		}
	}
	return nil
}

func (s *stillServer) WantMessages(wanted bool)   { s.said("messages %v", wanted) }
func (s *stillServer) SuspendInit(suspended bool) { s.said("no init %v", suspended) }
func (s *stillServer) Readmit()                   { s.said("readmit") }
func (s *stillServer) Resume(c []uint32)          { s.resumes = append(s.resumes, c...) }
func (s *stillServer) Abandon(c []uint32)         { s.abandons = append(s.abandons, c...) }

// online is a query whose reply has eight bytes.
func online(id uint32) []byte { return frame(wire.IsOnline, id, "", "") }

// putStamp writes the kernel's note of when bytes arrived, as recvmsg does.
func putStamp(oob []byte, nanoseconds int64) int {
	h := unix.Cmsghdr{Level: unix.SOL_SOCKET, Type: unix.SCM_TIMESTAMPNS}
	h.SetLen(unix.CmsgLen(16))
	copy(oob, (*[unix.SizeofCmsghdr]byte)(unsafe.Pointer(&h))[:])
	data := oob[unix.CmsgLen(0):]
	binary.NativeEndian.PutUint64(data, uint64(nanoseconds/1e9))
	binary.NativeEndian.PutUint64(data[8:], uint64(nanoseconds%1e9))
	return unix.CmsgSpace(16)
}
