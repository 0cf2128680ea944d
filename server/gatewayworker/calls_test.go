package gatewayworker

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	wire "castgate/codec/gatewayworker"
)

// A command on a connection that has ended by the time it is accepted costs three
// system calls, plus a few for all connections that arrive together.
func TestCallsOfACommand(t *testing.T) {
	const commands = 200
	var accepts, reads, watches, others, closes atomic.Int64
	sys := linux
	sys.accept = func(fd int) (int, netip.AddrPort, error) { accepts.Add(1); return linux.accept(fd) }
	sys.receive = func(fd int, p, oob []byte) (int, int, error) { reads.Add(1); return linux.receive(fd, p, oob) }
	sys.read = func(fd int, p []byte) (int, error) { reads.Add(1); return linux.read(fd, p) }
	sys.peek = func(fd int, p, oob []byte) (int, int, error) { reads.Add(1); return linux.peek(fd, p, oob) }
	sys.watch = func(epoll, op, fd int, events uint32) error {
		watches.Add(1)
		return linux.watch(epoll, op, fd, events)
	}
	sys.look = func(fds []unix.PollFd) error { others.Add(1); return linux.look(fds) }
	sys.wait = func(epoll int, events []unix.EpollEvent, ms int) (int, error) {
		others.Add(1)
		return linux.wait(epoll, events, ms)
	}
	sys.close = func(fd int) { closes.Add(1); linux.close(fd) }
	r := startRigOn(t, &sys, nil)
	client := r.client()
	held, release := make(chan struct{}), make(chan struct{})
	go r.front.do(t.Context(), func(*innerLoop) { close(held); <-release }, nil)
	<-held
	want := ""
	for i := range commands {
		text := fmt.Sprintf("%03d", i)
		r.tell(frame(wire.SendToOne, 1, "", text))
		want += "8103" + hex.EncodeToString([]byte(text))
	}
	for _, n := range []*atomic.Int64{&accepts, &reads, &watches, &others, &closes} {
		n.Store(0)
	}
	close(release)
	client.expect("all commands, in order", want)
	r.await("all connections have ended", func() bool { return closes.Load() == commands })
	if a, w, o := accepts.Load(), watches.Load(), others.Load(); a > commands+10 || reads.Load() != commands || w > 10 || o > 40 {
		t.Errorf("%d commands took %d accepts, %d reads, %d changes of the epoll, %d others", commands, a, reads.Load(), w, o)
	}
}
