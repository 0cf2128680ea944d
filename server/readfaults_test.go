package server

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"castgate/server/loop"
)

// echoes sends a message and waits for it to come back.
func (c *testClient) echoes(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	want := append(c.log(), text)
	if err := c.ws.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
	c.expect(want...)
}

// A read that fails for a moment costs nothing: neither a handshake nor a
// message. One that fails for good ends that client only.
func TestReadErrors(t *testing.T) {
	f := newFaulty()
	s := startServerOn(t, &f.Calls, func(c *Config) { c.OnMessage, c.PingInterval = loop.OnMessageEcho, 0 })
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.ENOMEM} {
		for times := range int64(3) {
			f.readE.Store(int64(errno))
			f.reads.Store(times)
			c := s.dial()
			f.reads.Store(times)
			c.echoes(t, fmt.Sprint(errno, times))
		}
	}
	other := s.dial()
	for _, errno := range []unix.Errno{unix.ECONNRESET, unix.ETIMEDOUT, unix.EPIPE, unix.EBADF} {
		c := s.dial()
		c.echoes(t, "here")
		f.readE.Store(int64(errno))
		f.reads.Store(1)
		_ = c.ws.Write(context.Background(), websocket.MessageText, []byte("lost"))
		<-c.done
		other.echoes(t, errno.Error())
	}
	eventually(t, "the counters", func() bool { return s.stats().Closes["peer_gone"] == 4 })
}

// One byte read at a time changes nothing of handshakes and messages.
func TestShortReads(t *testing.T) {
	f := newFaulty()
	f.crumbs.Store(true)
	s := startServerOn(t, &f.Calls, func(c *Config) { c.OnMessage = loop.OnMessageEcho })
	c := s.dial()
	for i := range 20 {
		c.echoes(t, strings.Repeat("m", i*i*i))
	}
}
