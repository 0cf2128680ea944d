package gatewayworker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

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

// A message of a flood costs a share of the calls that carry many: its event is written
// with others', and the inner loop is woken for many together. Neither it nor its event
// is an allocation of its own.
func TestCallsOfAnEvent(t *testing.T) {
	const messages = 200_000
	var writes, waits atomic.Int64
	sys := linux
	sys.write = func(fd int, p []byte) (int, error) { writes.Add(1); return linux.write(fd, p) }
	sys.wait = func(epoll int, events []unix.EpollEvent, ms int) (int, error) {
		waits.Add(1)
		return linux.wait(epoll, events, ms)
	}
	r := startRigOn(t, &sys, nil)
	worker := r.mute("w:0")
	client := r.client()
	_ = worker.SetDeadline(time.Now().Add(patience))
	events := bufio.NewReaderSize(worker, 1<<20)
	next := func() int { // reads a frame, and returns its length
		length := make([]byte, 4)
		if _, err := io.ReadFull(events, length); err != nil {
			t.Fatal(err)
		}
		rest, err := events.Discard(int(binary.BigEndian.Uint32(length)) - len(length))
		if err != nil {
			t.Fatal(err)
		}
		return len(length) + rest
	}
	next() // of the client's start
	next()
	if err := client.send("x"); err != nil {
		t.Fatal(err)
	}
	want := int64(messages) * int64(next())
	read := make(chan int64, 1)
	go func() {
		n, _ := io.CopyN(io.Discard, events, want)
		read <- n
	}()
	burst := bytes.Repeat([]byte("\x81\x81\x00\x00\x00\x00x"), 10_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	writes.Store(0)
	waits.Store(0)
	_ = client.conn.SetDeadline(time.Now().Add(patience))
	for range messages / 10_000 {
		if _, err := client.conn.Write(burst); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-read; n != want {
		t.Fatalf("%d bytes of events, want %d", n, want)
	}
	runtime.ReadMemStats(&after)
	if w, n := writes.Load(), waits.Load(); w > messages/10 || n > messages/10 {
		t.Errorf("%d messages took %d writes to the worker and %d waits", messages, w, n)
	}
	if n := after.Mallocs - before.Mallocs; n > messages/4 && !raceEnabled {
		t.Errorf("%d messages took %d allocations", messages, n)
	}
	t.Logf("%d messages: %d writes, %d waits, %d allocations", messages, writes.Load(), waits.Load(), after.Mallocs-before.Mallocs)
}
