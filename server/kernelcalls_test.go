package server

import (
	"fmt"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/kernel"
	"castgate/server/loop"
)

// kernelCalls counts what a server asks of the kernel for its clients. Unlike
// times, counts are the same on every machine: they are the gate through which
// a change that costs more does not pass unseen.
type kernelCalls struct{ accepts, reads, writes, watches, bytes atomic.Int64 }

func (k *kernelCalls) system() *kernel.Calls {
	sys := kernel.Linux
	sys.Accept = func(fd int) (int, netip.AddrPort, error) { k.accepts.Add(1); return kernel.Linux.Accept(fd) }
	sys.Read = func(fd int, p []byte) (int, error) { k.reads.Add(1); return kernel.Linux.Read(fd, p) }
	sys.Write = func(fd int, p []byte) (int, error) {
		// Counted first, since the client may have the bytes before write returns.
		k.writes.Add(1)
		k.bytes.Add(int64(len(p)))
		n, err := kernel.Linux.Write(fd, p)
		k.bytes.Add(int64(max(n, 0) - len(p)))
		return n, err
	}
	for _, watch := range []*func(*netpoll.Poller, int) error{&sys.Watch, &sys.WatchRoom, &sys.UnwatchRoom, &sys.Unwatch, &sys.WatchOnlyRoom, &sys.WatchEnd} {
		real := *watch
		*watch = func(p *netpoll.Poller, fd int) error { k.watches.Add(1); return real(p, fd) }
	}
	return &sys
}

// take returns the counts so far and begins again.
func (k *kernelCalls) take() map[string]int64 {
	return map[string]int64{
		"accepts": k.accepts.Swap(0), "reads": k.reads.Swap(0), "writes": k.writes.Swap(0),
		"changes of an epoll": k.watches.Swap(0), "bytes": k.bytes.Swap(0),
	}
}

// TestKernelCalls is the gate for what a connect, a frame and a push cost.
func TestKernelCalls(t *testing.T) {
	const clients, payload = 50, "0123456789abcdef"
	k := new(kernelCalls)
	s := startServerOn(t, k.system(), func(c *Config) {
		c.Loops, c.OnMessage, c.PingInterval = 1, loop.OnMessageEcho, time.Hour
	})
	check := func(what string, most map[string]int64) {
		t.Helper()
		got := k.take()
		t.Logf("%s: %v", what, got)
		for name, n := range got {
			exact := name == "writes" || name == "bytes"
			if n > most[name] || exact && n < most[name] {
				t.Errorf("%s: %d %s, not %d", what, n, name, most[name])
			}
		}
	}
	k.take()
	var all []*rawClient
	for range clients {
		all = append(all, s.dialRaw())
	}
	request := codec.AppendRequest(nil, "localhost", "/", [24]byte([]byte("MDEyMzQ1Njc4OWFiY2RlZg==")), "")
	answer, _ := new(codec.Upgrader).Upgrade(nil, request)
	hello := codec.FrameLen(len(`{"type":"init","client_id":""}`) + clientid.Len)
	// An accept that finds nobody and a read that finds nothing are allowed for
	// each: whether they happen depends on who was faster.
	check("a connect for each of 50", map[string]int64{
		"accepts": 2 * clients, "reads": 2 * clients, "writes": clients, "changes of an epoll": clients,
		"bytes": int64(clients * (len(answer) + hello)),
	})

	frame := codec.AppendMaskedFrame(nil, ws.OpText, []byte(payload), [4]byte{1, 2, 3, 4})
	size := codec.FrameLen(len(payload))
	for _, c := range all {
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		c.receive(size)
	}
	check("a frame from each of 50, and its echo", map[string]int64{
		"reads": clients, "writes": clients, "bytes": int64(clients * size),
	})

	for i, c := range all {
		if _, err := s.Bind(ctx, gateway.Bind{ClientID: c.id, UID: fmt.Sprint(i), Groups: []string{"room"}}); err != nil {
			t.Fatal(err)
		}
	}
	for what, to := range map[string]gateway.Targets{
		"a push to a group of 50": {Groups: []string{"room"}},
		"a push to all 50":        {All: true},
	} {
		k.take()
		s.push(to, payload)
		for _, c := range all {
			c.receive(size)
		}
		check(what, map[string]int64{"writes": clients, "bytes": int64(clients * size)})
	}
	s.push(gateway.Targets{UIDs: []string{"7"}}, payload)
	all[7].receive(size)
	check("a push to one", map[string]int64{"writes": 1, "bytes": int64(size)})
}

// receive reads n bytes.
func (c *rawClient) receive(n int) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.ReadFull(c, make([]byte, n)); err != nil {
		c.t.Fatal(err)
	}
}
