package server

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"castgate/server/gateway"
	"castgate/server/kernel"
)

// unhurried is a connection whose owner reads only so many bytes a second.
type unhurried struct {
	net.Conn
	rate int
}

func (u unhurried) Read(p []byte) (int, error) {
	n, err := u.Conn.Read(p[:min(len(p), u.rate/10)])
	time.Sleep(time.Duration(n) * time.Second / time.Duration(u.rate))
	return n, err
}

// dialSlow connects a client that reads slowly and has little room, so that
// the pace of its reading is what the server sees.
func (s *testServer) dialSlow(rate int, options websocket.DialOptions) *testClient {
	s.t.Helper()
	http := &http.Client{Transport: &http.Transport{
		TLSClientConfig: insecure(),
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			_ = conn.(*net.TCPConn).SetReadBuffer(8 << 10)
			return unhurried{conn, rate}, nil
		},
	}}
	was := s.http
	defer func() { s.http = was }()
	s.http = http
	return s.dialWith(&options)
}

// incompressible is a text of n characters, half as long compressed.
func incompressible(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return hex.EncodeToString(b)
}

const (
	slowRate  = 150_000 // bytes a second
	slowBytes = 250_000 // takes longer than a silent client has
)

func quickPings(c *Config) {
	c.PingInterval, c.PingTimeout = 500*time.Millisecond, 500*time.Millisecond
	c.Compress = true
}

// Who reads steadily gets all there is, however long its pongs take, and who
// is kicked meanwhile all that came before the close frame.
func TestSteadyReaders(t *testing.T) {
	t.Parallel()
	for _, try := range []struct {
		name   string
		secure bool
		size   int
	}{
		{"one message", false, slowBytes},
		{"many messages", false, 4 << 10},
		{"one message by wss", true, slowBytes},
		{"many messages by wss", true, 4 << 10},
	} {
		t.Run(try.name, func(t *testing.T) {
			t.Parallel()
			var s *testServer
			if try.secure {
				s = startSecure(t, &kernel.Linux, quickPings)
			} else {
				s = startServer(t, quickPings)
			}
			deflate := websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover}
			var stay, kicked []*testClient
			for _, options := range []websocket.DialOptions{{}, deflate} {
				stay = append(stay, s.dialSlow(slowRate, options))
				kicked = append(kicked, s.dialSlow(slowRate, options))
			}
			message := incompressible(try.size)
			last := message[:min(len(message), slowBytes/2)]
			var want []string
			for n := 0; n < slowBytes; n += try.size {
				want = append(want, message)
				s.push(gateway.Targets{All: true}, message)
			}
			to := gateway.Targets{ClientIDs: []string{kicked[0].id, kicked[1].id}}
			if n, err := s.Kick(ctx, gateway.Kick{To: to, Code: 3000, Reason: "bye", Text: last}); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			for _, c := range kicked {
				c.expectClose(3000, "bye")
				c.expect(append(want, last)...)
			}
			s.push(gateway.Targets{All: true}, "after")
			for _, c := range stay {
				c.expect(append(want, "after")...)
			}
			if st := s.stats(); st.Closes["ping_timeout"] != 0 || st.Connections != 2 || st.Pings == 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// A stop gives who reads steadily the time it has.
func TestSteadyReaderAtAStop(t *testing.T) {
	t.Parallel()
	s := startServer(t, quickPings)
	c := s.dialSlow(slowRate, websocket.DialOptions{})
	message := incompressible(slowBytes)
	s.push(gateway.Targets{All: true}, message)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	c.expectClose(1001, "shutting down")
	c.expect(message)
}

// Who takes nothing is ended, with all that waits for it, whether it answers
// TCP or not.
func TestNothingTaken(t *testing.T) {
	s, clock := startOnClock(t, quickPings)
	c := s.dialRaw()
	s.push(gateway.Targets{ClientIDs: []string{c.id}}, strings.Repeat("x", 8<<20))
	clock.eventually(s, "the end of it", func() bool { return s.stats().Sockets == 0 })
	if st := s.stats(); st.Closes["ping_timeout"] != 1 || st.Dropped["closed"] != 1 {
		t.Errorf("%+v", st)
	}
}

// meminfo is what the kernel holds in a socket, in bytes of its memory
// (SO_MEMINFO): of what waits to be sent.
func meminfo(fd int) int {
	var m [9]uint32
	size := uint32(unsafe.Sizeof(m))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0); e != 0 {
		return -1
	}
	const wmemQueued = 5
	return int(m[wmemQueued])
}

// acceptedFD is a system whose last accepted socket is kept in fd.
func acceptedFD(fd *atomic.Int64) *kernel.Calls {
	sys := kernel.Linux
	sys.Accept = func(listener int) (int, netip.AddrPort, error) {
		n, peer, err := kernel.Linux.Accept(listener)
		if err == nil {
			fd.Store(int64(n))
		}
		return n, peer, err
	}
	return &sys
}

// The kernel holds no more for a client that does not read than NotsentLowat
// and a segment; the rest waits where the limits are.
func TestKernelHoldsLittle(t *testing.T) {
	const lowat, segment = 128 << 10, 64 << 10
	for _, size := range []int{1 << 10, 4 << 10, 4 << 20} {
		var fd atomic.Int64
		s := startServerOn(t, acceptedFD(&fd), func(c *Config) { c.NotsentLowat, c.SendQueue, c.PingInterval = lowat, 64<<20, 0 })
		c := s.dialRaw()
		for n := 0; n < 4<<20; n += size {
			s.push(gateway.Targets{ClientIDs: []string{c.id}}, strings.Repeat("x", size))
		}
		var info gateway.ClientInfo
		eventually(t, "the socket to take no more", func() bool {
			last := info.QueuedBytes
			var err error
			if info, err = s.Client(ctx, c.id); err != nil {
				t.Fatal(err)
			}
			return info.QueuedBytes == last && last > 0
		})
		socket := int(fd.Load())
		unsent, memory, waiting := s.sys.Unsent(socket), meminfo(socket), info.QueuedBytes
		t.Logf("messages of %d bytes: %d unsent, %d of memory, %d in the queue", size, unsent, memory, waiting)
		if unsent == 0 || unsent > lowat+2*segment || memory < unsent || memory > 4*lowat || waiting < 3<<20 {
			t.Errorf("messages of %d bytes: the kernel holds %d in %d bytes, %d wait", size, unsent, memory, waiting)
		}
	}
}

// What the listener is given its sockets have.
func TestSocketOptions(t *testing.T) {
	get := func(fd, level, name int) int {
		n, err := unix.GetsockoptInt(fd, level, name)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, try := range []struct {
		listen                 string
		interval, keep         time.Duration
		on, idle, more, probes int
	}{
		{"ws://127.0.0.1:0", 25 * time.Second, 0, 0, 25, 10, 1},
		{"text://127.0.0.1:0", 25 * time.Second, 0, 1, 25, 10, 1},
		{"text://127.0.0.1:0", time.Second, 0, 1, 1, 10, 1},
		{"ws://127.0.0.1:0", 0, 0, 1, 55, 55, 1},
		{"ws://127.0.0.1:0", 0, 25 * time.Second, 1, 25, 4, 3},
		{"tcp://127.0.0.1:0", 0, 0, 1, 55, 55, 1},
	} {
		var accepted atomic.Int64
		s := startServerOn(t, acceptedFD(&accepted), func(c *Config) { c.Listen, c.PingInterval = []string{try.listen}, time.Minute })
		limits := s.config.Capacity
		limits.PingInterval, limits.TCPKeepalive = try.interval, try.keep
		if err := s.SetCapacity(limits); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the socket", func() bool { return s.stats().Sockets == 1 })
		fd := int(accepted.Load())
		got := [...]int{get(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE), get(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE),
			get(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL), get(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT),
			get(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT), get(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT), get(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY)}
		if want := [...]int{try.on, try.idle, try.more, 0, try.probes, s.config.NotsentLowat, 1}; got != want {
			t.Errorf("%s with pings each %v: options %v, want %v", try.listen, try.interval, got, want)
		}
		_ = conn.Close()
	}
}
