package loadtest

import (
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

const (
	readBuffer = 256 << 10
	eventBatch = 256
	// maxArrivals limits the broadcasts of one stream whose last receiver is
	// timed; later ones are not.
	maxArrivals = 1 << 20
)

// loop is an epoll and its connections. Everything except mail belongs to the
// goroutine of run.
type loop struct {
	swarm  *Swarm
	number int // index among the swarm's loops
	epoll  int
	bell   int // eventfd: there is mail

	// Connection i of the loop is connection global(i) of the swarm.
	conns  []conn
	tracks []track // those of connection i are [i*streams:(i+1)*streams]

	// The ramp.
	begun    time.Time
	next     int     // connections below have been started
	waiting  indices // those waiting for the server, in the order of started
	again    indices // those to reconnect
	inFlight int
	closing  bool
	past     past // of lives that have ended

	buf       []byte // what is being read
	clear     []byte // the plaintext of that with TLS; nil until there is some
	inflated  []byte // a message that was compressed
	out       []byte // what is being written
	scratch   partial
	spare     []*partial // free
	masks     uint32
	counts    counts
	fresh     int64 // new payloads not yet added to swarm.received
	latency   [kinds]*hdrhistogram.Histogram
	connected *hdrhistogram.Histogram
	arrivals  [][]int64 // by stream of broadcasts and number: the slowest arrival in ns
	deaths    tally
	timeline  timeline

	mail struct {
		sync.Mutex
		tasks []func()
		shut  bool
	}
}

func newLoop(s *Swarm, number int) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	loops := s.cfg.Loops
	n := (s.cfg.Connections - number + loops - 1) / loops
	l := &loop{
		swarm: s, number: number, epoll: epoll, bell: bell,
		conns: make([]conn, n), tracks: make([]track, n*len(s.streams)),
		buf: make([]byte, readBuffer), connected: newHistogram(),
		arrivals: make([][]int64, len(s.streams)), deaths: tally{},
		timeline: newTimeline(s.begun),
	}
	for i := range l.latency {
		l.latency[i] = newHistogram()
	}
	for i := range l.conns {
		l.conns[i].fd = -1
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellEvent}); err != nil {
		l.release()
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	return l, nil
}

// bellEvent is used instead of the index of a connection.
const bellEvent = -1

// release closes what newLoop opened. The loop must not be running.
func (l *loop) release() {
	unix.Close(l.epoll)
	unix.Close(l.bell)
}

// global is the swarm's index of the loop's connection i.
func (l *loop) global(i int) int { return i*l.swarm.cfg.Loops + l.number }

// do runs f on the loop's goroutine and waits for it. It returns false if the
// loop has ended.
func (l *loop) do(f func()) bool {
	done := make(chan struct{})
	if !l.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// post is do without waiting.
func (l *loop) post(f func()) bool {
	l.mail.Lock()
	defer l.mail.Unlock()
	if l.mail.shut {
		return false
	}
	l.mail.tasks = append(l.mail.tasks, f)
	// Under the lock, a loop that is not shut is not released.
	l.ring()
	return true
}

func (l *loop) ring() {
	one := [8]byte{1}
	// It fails only if the counter is full, and then the bell is already
	// ringing.
	_, _ = unix.Write(l.bell, one[:])
}

// run serves the loop's connections until closing is set.
func (l *loop) run() {
	events := make([]unix.EpollEvent, eventBatch)
	l.begun = time.Now()
	for !l.closing {
		l.dialMore()
		l.findLate()
		n, err := unix.EpollWait(l.epoll, events, l.patience())
		if err != nil && err != unix.EINTR {
			l.fail(fmt.Errorf("epoll_wait: %w", err))
			n = 0
			time.Sleep(10 * time.Millisecond)
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd == bellEvent {
				l.readMail()
				continue
			}
			l.serve(int(e.Fd), e.Events)
		}
		l.publish()
	}
	for i := range l.conns {
		l.goodbye(&l.conns[i])
	}
	l.mail.Lock()
	l.mail.shut = true
	l.mail.Unlock()
	l.runTasks() // no caller may wait forever
}

func (l *loop) readMail() {
	var n [8]byte
	_, _ = unix.Read(l.bell, n[:])
	l.runTasks()
}

func (l *loop) runTasks() {
	l.mail.Lock()
	tasks := l.mail.tasks
	l.mail.tasks = nil
	l.mail.Unlock()
	for _, f := range tasks {
		f()
	}
}

// patience is the longest wait of epoll in milliseconds.
func (l *loop) patience() int {
	if l.next == len(l.conns) && l.waiting.empty() && l.again.empty() {
		return -1
	}
	if l.next < len(l.conns) && l.swarm.cfg.Rate > 0 && l.inFlight < l.maxInFlight() {
		return 1
	}
	return 100
}

// publish adds the batch to the swarm's count and wakes the goroutine that
// waits for it.
func (l *loop) publish() {
	if l.fresh == 0 {
		return
	}
	s := l.swarm
	received := s.received.Add(l.fresh)
	l.fresh = 0
	if received >= s.goal.Load() {
		ring(s.reached)
	}
}

// ring wakes the goroutine that waits on c, now or when it next waits.
func ring(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// fail ends the opening of the swarm; the first reason wins.
func (l *loop) fail(err error) {
	l.swarm.failure.CompareAndSwap(nil, &err)
	ring(l.swarm.grown)
}

// setReading switches reading from a connection on or off.
func (l *loop) setReading(i int, reading bool) error {
	c := &l.conns[i]
	if c.phase != phaseOpen {
		return fmt.Errorf("connection %d is not open", l.global(i))
	}
	want := uint32(0)
	if reading {
		want = unix.EPOLLIN
	}
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, int(c.fd), &unix.EpollEvent{Events: want, Fd: int32(i)})
}
