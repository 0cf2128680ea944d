package swarm

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const (
	readBuffer = 256 << 10
	eventBatch = 256
)

// loop is an epoll and its connections, composed of parts. Everything except mail
// belongs to the goroutine of run.
type loop struct {
	swarm *Swarm
	epoll int
	conns []conn // connection i of the loop is connection global(i) of the swarm
	mail  mailbox

	ramp     ramp
	ledger   ledger
	partials partials
	inflater inflater
	outbound outbound
	buf      []byte // what is being read
	clear    []byte // the plaintext of that with TLS; nil until there is some
	closing  bool
}

func newLoop(s *Swarm, number int) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	loops := s.cfg.Loops
	n := (s.cfg.Connections - number + loops - 1) / loops
	l := &loop{
		swarm: s, epoll: epoll, conns: make([]conn, n), buf: make([]byte, readBuffer),
		ramp: newRamp(&s.cfg, n), ledger: newLedger(s, number, n),
		inflater: inflater{limit: int64(s.cfg.MaxMessage)},
	}
	if err := l.mail.open(); err != nil {
		unix.Close(epoll)
		return nil, err
	}
	for i := range l.conns {
		l.conns[i].fd = -1
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, l.mail.bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: bellEvent}); err != nil {
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
	l.mail.release()
}

// global is the swarm's index of the loop's connection i.
func (l *loop) global(i int) int { return l.ledger.global(i) }

// run serves the loop's connections until closing is set.
func (l *loop) run() {
	events := make([]unix.EpollEvent, eventBatch)
	l.ramp.begun = time.Now()
	for !l.closing {
		l.dialMore()
		l.findLate()
		n, err := unix.EpollWait(l.epoll, events, l.ramp.patience())
		if err != nil && err != unix.EINTR {
			l.fail(fmt.Errorf("epoll_wait: %w", err))
			n = 0
			time.Sleep(10 * time.Millisecond)
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd == bellEvent {
				l.mail.answer()
				continue
			}
			l.serve(int(e.Fd), e.Events)
		}
		l.publish()
	}
	for i := range l.conns {
		l.goodbye(&l.conns[i])
	}
	l.mail.close()
}

// open is the number of open connections.
func (l *loop) open() (n int) {
	for i := range l.conns {
		if l.conns[i].phase == phaseOpen {
			n++
		}
	}
	return n
}

// publish adds the batch to the swarm's count and wakes the goroutine that
// waits for it.
func (l *loop) publish() {
	if l.ledger.fresh == 0 {
		return
	}
	s := l.swarm
	received := s.received.Add(l.ledger.fresh)
	l.ledger.fresh = 0
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
