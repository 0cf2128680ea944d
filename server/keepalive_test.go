package server

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dialOn connects a client and returns its socket, too.
func (s *testServer) dialOn() (*testClient, *net.TCPConn) {
	s.t.Helper()
	var socket *net.TCPConn
	was := s.http
	defer func() { s.http = was }()
	s.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				socket = conn.(*net.TCPConn)
			}
			return conn, err
		},
	}}
	return s.dial(), socket
}

// vanish has the kernel drop all that comes for a socket before TCP sees it, so that its
// peer gets no answer, as when the network has gone.
func vanish(t *testing.T, socket *net.TCPConn) {
	t.Helper()
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	}); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
}

// Without pings the kernel's keepalive finds an idle client that has vanished; one whose
// kernel answers stays, and neither is sent a byte.
func TestVanishedWithoutPings(t *testing.T) {
	t.Parallel()
	s := startServer(t, func(c *Config) {
		c.PingInterval, c.TCPKeepalive, c.PingTimeout = 0, time.Second, 3*time.Second
	})
	gone, socket := s.dialOn()
	stays := s.dial()
	vanish(t, socket)
	eventually(t, "the end of the client that has vanished", func() bool { return s.stats().Connections == 1 })
	if st := s.stats(); st.Closes["peer_gone"] != 1 || st.Pings != 0 {
		t.Errorf("closed %v, %d pings", st.Closes, st.Pings)
	}
	stays.expect()
	gone.ws.CloseNow() // nothing comes for it any more
}

// A client is pinged early the first time, but has not been silent for longer than it is
// there.
func TestSilenceOfNewClients(t *testing.T) {
	s := startServer(t, nil)
	for range 16 {
		began := time.Now()
		info, err := s.Client(t.Context(), s.dial().id)
		if age := time.Since(began); err != nil || info.Silent > age+time.Second {
			t.Errorf("silent for %v, there for %v, %v", info.Silent, age, err)
		}
	}
}
