package verbs

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/admission"
	"castgate/server/capacity"
	"castgate/server/gateway"
	"castgate/server/internal/clientid"
	"castgate/server/kernel"
	"castgate/server/loop"
	"castgate/server/token"
)

// testVerbs are verbs for the clients of loops that run.
type testVerbs struct {
	*Verbs
	t     testing.TB
	peers map[string]*os.File // by client id
}

// startVerbs runs loops until the end of the test. Clients that read nothing stay.
func startVerbs(t testing.TB, loops int) *testVerbs {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	ids, err := clientid.New(0)
	if err != nil {
		t.Fatal(err)
	}
	limits := capacity.DefaultCapacity()
	limits.SlowPolicy = capacity.SlowDrop
	sys := &kernel.Linux
	control, err := admission.New(admission.Config{
		MaxMessage: limits.MaxMessage, MaxRefusing: 1 << 10, Checkers: 1, Log: log,
		Now: sys.Now, Elapsed: func() int64 { return int64(sys.Elapsed()) },
		Usable: func(*token.Identity) *token.Refusal { return nil },
		Defect: func(p any, stack []byte) { t.Errorf("a defect: %v\n%s", p, stack) },
	}, admission.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := loop.New(loop.Config{
		Loops: loops, OnMessage: loop.OnMessageIgnore, InitMessage: "%s", CompressLevel: 1, Capacity: limits,
		Files: 1 << 20, IDs: ids, Admission: control, Ready: func() bool { return true }, Log: log, System: sys,
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Start([]uint16{0})
	t.Cleanup(func() {
		l.Stop()
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
		l.Close()
		if err := l.Leftover(); err != nil {
			t.Error(err)
		}
	})
	return &testVerbs{Verbs: New(l, Config{Names: gateway.MaxNameLen}), t: t, peers: map[string]*os.File{}}
}

// connect makes one end of a pair of sockets a client, and returns its id.
func (s *testVerbs) connect() (id string) {
	s.t.Helper()
	const head = "GET / HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	peer := os.NewFile(uintptr(pair[1]), "peer")
	s.t.Cleanup(func() { _ = peer.Close() })
	if n := s.loops.SocketAccepted(); !s.loops.Arrive(loop.Arrival{FD: pair[0], Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n))}, n) {
		s.t.Fatal("the loop has ended")
	}
	if _, err := peer.WriteString(head); err != nil {
		s.t.Fatal(err)
	}
	if err := peer.SetReadDeadline(time.Now().Add(40 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	var answer strings.Builder
	for b := make([]byte, 1); !strings.HasSuffix(answer.String(), "\r\n\r\n"); {
		if _, err := peer.Read(b); err != nil {
			s.t.Fatalf("%v behind %q", err, answer.String())
		}
		answer.WriteByte(b[0])
	}
	frame := make([]byte, 2+clientid.Len)
	if _, err := io.ReadFull(peer, frame); err != nil {
		s.t.Fatal(err)
	}
	id = string(frame[2:])
	s.peers[id] = peer
	return id
}

// bind binds a client.
func (s *testVerbs) bind(id, uid string, groups ...string) {
	s.t.Helper()
	if _, err := s.Bind(s.t.Context(), gateway.Bind{ClientID: id, UID: uid, Groups: groups}); err != nil {
		s.t.Fatal(err)
	}
}

// stats is a reading of what was counted.
func (s *testVerbs) stats() gateway.Stats {
	st := gateway.Stats{
		Handshakes: map[string]uint64{}, Closes: map[string]uint64{}, Dropped: map[string]uint64{},
		TLSHandshakes: map[string]uint64{}, TokensRefused: map[string]uint64{}, InflateErrors: map[string]uint64{},
	}
	s.AddTo(&st)
	s.loops.AddTo(&st)
	return st
}

// await waits for what must come.
func (s *testVerbs) await(what string, is func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 40*time.Second)
	defer cancel()
	for ; !is(); time.Sleep(time.Millisecond) {
		if ctx.Err() != nil {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}
