package register

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/gatewayworker/internal/faults"
)

// faultyListener is a listener whose accepts fail as the test wants, as do the
// reads and writes of its connections.
type faultyListener struct {
	net.Listener
	accepts, reads, writes faults.Fault
	spared                 atomic.Int64 // the first connections, which have no faults
	accepted               atomic.Int64
}

func (l *faultyListener) Accept() (net.Conn, error) {
	if err := l.accepts.Happens(); err != nil {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &faultyStream{c.(*net.TCPConn), l, l.accepted.Add(1)}, nil
}

type faultyStream struct {
	*net.TCPConn
	l      *faultyListener
	number int64
}

func (s *faultyStream) spared() bool { return s.number <= s.l.spared.Load() }

func (s *faultyStream) Read(p []byte) (int, error) {
	if s.spared() {
		return s.TCPConn.Read(p[:1])
	}
	if err := s.l.reads.Happens(); err != nil {
		return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	return s.TCPConn.Read(p[:1])
}

// Write writes half of the data when it fails, as package net does if its second
// system call fails.
func (s *faultyStream) Write(p []byte) (int, error) {
	if s.spared() {
		return s.TCPConn.Write(p)
	}
	if err := s.l.writes.Happens(); err != nil {
		n, real := s.TCPConn.Write(p[:len(p)/2])
		if real != nil { // past its deadline
			return n, real
		}
		return n, &net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", err)}
	}
	return s.TCPConn.Write(p)
}

// startFaultyRegister serves a Register on a faultyListener.
func startFaultyRegister(t *testing.T) (*Server, *faultyListener) {
	t.Helper()
	r, err := New(Config{Address: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), SendTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l := &faultyListener{Listener: r.listener}
	r.listener = l
	served := make(chan error, 1)
	go func() { served <- r.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), <-served); err != nil {
			t.Error(err)
		}
	})
	return r, l
}

// No error of accept ends the Register or a connection to it.
func TestRegisterAcceptErrors(t *testing.T) {
	r, l := startFaultyRegister(t)
	there := dial(t, r.Addr().String()).send(asWorker)
	there.expect(listing())
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENOMEM, unix.ENETDOWN} {
		before := r.Stats().AcceptErrors
		l.accepts.Set(errno, 2)
		dial(t, r.Addr().String()).send("x\n") // the accept under way has no fault
		dial(t, r.Addr().String()).send(asWorker).expect(listing())
		if n := r.Stats().AcceptErrors - before; n != 2 {
			t.Errorf("%v: counted %d times", errno, n)
		}
	}
	there.send(asWorker).expect(listing())
}

// A lack of kernel memory, and lines in pieces, cost no gateway and no worker its
// place. Other errors end the connection that they concern.
func TestRegisterShortage(t *testing.T) {
	r, l := startFaultyRegister(t)
	worker := dial(t, r.Addr().String()).send(asWorker)
	worker.expect(listing())
	gateway := dial(t, r.Addr().String())
	for _, errno := range []unix.Errno{unix.ENOBUFS, unix.ENOMEM} {
		for times := range 4 {
			l.reads.Set(errno, times)
			l.writes.Set(errno, times)
			gateway.send(asGateway("10.0.0.1:29" + string('0'+rune(times)) + "0"))
			worker.expect(listing("10.0.0.1:29" + string('0'+rune(times)) + "0"))
		}
	}
	// The gateway's reader may not have returned to its read yet, and would get a
	// fault meant for another.
	l.spared.Store(l.accepted.Load())
	for _, errno := range []unix.Errno{unix.EPIPE, unix.ECONNRESET} {
		other := dial(t, r.Addr().String())
		l.writes.Set(errno, 1)
		other.send(asWorker)
		other.rest()
	}
	l.reads.Set(unix.ECONNRESET, 1)
	dial(t, r.Addr().String()).send("x").rest()
	worker.send(asWorker).expect(listing("10.0.0.1:2930"))
}

// A lasting shortage ends a worker in the same way as a worker that does not read.
func TestRegisterLastingShortage(t *testing.T) {
	r, l := startFaultyRegister(t)
	l.writes.Set(unix.ENOBUFS, 1<<30)
	dial(t, r.Addr().String()).send(asWorker)
	await(t, "the worker is given up", func() bool { return r.Stats().Refused["slow"] == 1 && r.Stats().Workers == 0 })
}

// The joining client stays joined during a shortage of kernel memory.
func TestJoinShortage(t *testing.T) {
	r := startRegister(t, Config{})
	var l faultyListener
	j, err := NewJoiner(JoinerConfig{Registers: []string{r.Addr().String()}, Address: "10.1.2.3:2900", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	dialReally := j.dial
	j.dial = func(ctx context.Context, address string) (net.Conn, error) {
		c, err := dialReally(ctx, address)
		if err != nil {
			return nil, err
		}
		return &faultyStream{c.(*net.TCPConn), &l, 1}, nil
	}
	l.writes.Set(unix.ENOBUFS, 2)
	l.reads.Set(unix.ENOMEM, 5)
	j.Start()
	t.Cleanup(j.Close)
	await(t, "joined", func() bool { return r.Stats().Gateways == 1 && l.reads.Over() })
	time.Sleep(3 * shortPause)
	if s := j.Stats(); s.Connected != 1 || s.Dials != 1 || s.Closes != 0 {
		t.Errorf("%+v", s)
	}
}
