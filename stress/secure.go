package stress

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

var securing = []Scenario{{
	Name:    "wss-churn",
	Says:    "wss clients, some with compression, come and go during truncated handshakes and records",
	prepare: overTLS(secureChurn, "--compress"),
}, {
	Name:    "wss-slow",
	Says:    "wss clients that do not read are closed, with what they have in order",
	prepare: overTLS(secureSlow, "--slow-policy", "close", "--ping-interval", "0"),
}}

// overTLS prepares a gateway with a ws and a wss listener. The certificate's
// authority exists only for the scenario, and so do the files.
func overTLS(round func(t *Trial, s *site, trust *tls.Config), flags ...string) func(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
	return func(t *Trial) (wstest.Options, func(t *Trial, s *site), error) {
		authority := wstest.NewAuthority(t)
		pair := authority.Issue("gateway")
		trust := authority.Trust()
		o := wstest.Options{Schemes: []string{"wss"}, Flags: append([]string{"--tls-cert", pair.Cert, "--tls-key", pair.Key}, flags...)}
		return o, func(t *Trial, s *site) { round(t, s, trust) }, nil
	}
}

// secureChurn: a client that stays gets every push, compressed or not. A client
// that comes and goes gets all pushes between its first and its last. Handshakes
// that end at every byte, truncated records, and connections that are not TLS
// disturb nobody.
func secureChurn(t *Trial, s *site, trust *tls.Config) {
	const broadcasts = 100
	stay := make([]*wstest.Client, 10)
	for i := range stay {
		var err error
		stay[i], _, err = s.TryDial(t, wstest.DialOptions{TLS: trust, Compress: i%2 == 0})
		t.Must(err == nil, "client %d: %v", i, err)
	}
	s.expect(handshakesOK, len(stay))
	var over atomic.Bool
	var others sync.WaitGroup
	for w := range 3 {
		others.Go(func() {
			for i := w; !over.Load(); i++ {
				t.within(func(t *Trial) { secureGuest(t, s, trust, i) })
			}
		})
	}
	others.Go(func() {
		for i := 0; !over.Load(); i++ {
			t.within(func(t *Trial) { trouble(t, s, trust, i) })
		}
	})
	for i := range broadcasts {
		s.broadcast(numbered(i, 200+i%3*20_000)) // one record, and several
		time.Sleep(5 * time.Millisecond)
	}
	over.Store(true)
	others.Wait()
	for _, c := range stay {
		c.Await(broadcasts)
		t.all("a client that stayed", numbersOf(c), broadcasts)
		s.addReceived(broadcasts)
	}
}

// secureGuest is a client that stays for a few milliseconds.
func secureGuest(t *Trial, s *site, trust *tls.Config, i int) {
	c, _, err := s.TryDial(t, wstest.DialOptions{TLS: trust, Compress: i%2 == 0})
	t.Check(err == nil, "a guest: %v", err)
	if err != nil {
		return
	}
	s.expect(handshakesOK, 1)
	time.Sleep(10 * time.Millisecond)
	if i%4 < 2 {
		c.Close()
	} else {
		c.Conn.CloseNow()
	}
	got := numbersOf(c)
	t.run("a guest", got)
	s.addReceived(len(got))
}

// trouble is one peer that others must not notice.
func trouble(t *Trial, s *site, trust *tls.Config, i int) {
	conn, err := dialSecure(t, s)
	t.Check(err == nil, "dial: %v", err)
	if err != nil {
		return
	}
	cut := &cutConn{TCPConn: conn, left: 1 << 20}
	switch i % 4 {
	case 0, 1: // a handshake that ends after a number of bytes
		cut.left = i * 7 % 1800 // possibly all of them
		_ = tls.Client(cut, trust).Handshake()
	case 2: // not TLS
		_, _ = cut.Write([]byte([]string{"GET / HTTP/1.1\r\n\r\n", "\x00\x01\x02\x03\x04\x05", "\x16\x03\x01\x00\x05hello"}[i/4%3]))
		_ = cut.SetReadDeadline(time.Now().Add(wstest.Patience))
		_, _ = io.Copy(io.Discard, cut)
	case 3: // a record that ends after a number of bytes
		peer, err := upgradeSecure(cut, trust)
		t.Check(err == nil, "a handshake before a cut: %v", err)
		if err != nil {
			break
		}
		s.expect(handshakesOK, 1)
		cut.left = 1 + i%60
		_, _ = peer.Write(wstest.MaskedFrame(wstest.OpText, make([]byte, 100)))
	}
	if i%3 == 0 {
		_ = cut.SetLinger(0)
	}
	_ = cut.TCPConn.Close()
}

// secureSlow: four clients whose sockets fill up are closed, and have the beginning
// of the messages, intact and in order.
func secureSlow(t *Trial, s *site, trust *tls.Config) {
	list := make([]*tlsPeer, stuck)
	for i := range list {
		conn, err := dialSecure(t, s)
		t.Must(err == nil, "dial: %v", err)
		_ = conn.SetReadBuffer(32 << 10)
		list[i], err = upgradeSecure(&cutConn{TCPConn: conn, left: 1 << 20}, trust)
		t.Must(err == nil, "a deaf client: %v", err)
	}
	s.expect(handshakesOK, stuck)
	pour(t, s, bulks)
	s.expect(closes("slow"), stuck)
	for _, p := range list {
		_ = p.tcp.SetReadBuffer(2 << 20)
		got := p.numbers()
		t.Check(len(got) < bulks, "a client that did not read has everything")
		t.Check(len(got) == 0 || got[0] == 0, "it begins with %v", got[:min(1, len(got))])
		t.run("a client that did not read", got)
		s.addReceived(len(got))
	}
}

// dialSecure opens a connection to the wss listener and sends nothing.
func dialSecure(t *Trial, s *site) (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", s.Listeners["wss"], wstest.Patience)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn), nil
}

// cutConn is a connection that fails after a number of sent bytes.
type cutConn struct {
	*net.TCPConn
	left int
}

var errCut = errors.New("cut")

// Write implements net.Conn.
func (c *cutConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err == nil && n < len(p) {
		err = errCut
	}
	return n, err
}

// tlsPeer is a client that has completed the TLS and the WebSocket handshake.
type tlsPeer struct {
	*tls.Conn
	tcp *net.TCPConn
	in  *bufio.Reader
}

// upgradeSecure completes both handshakes and reads the init message.
func upgradeSecure(c *cutConn, trust *tls.Config) (*tlsPeer, error) {
	_ = c.SetDeadline(time.Now().Add(wstest.Patience))
	p := &tlsPeer{Conn: tls.Client(c, trust), tcp: c.TCPConn}
	p.in = bufio.NewReader(p.Conn)
	if _, err := p.Write([]byte(wstest.Handshake)); err != nil {
		return nil, err
	}
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line == "\r\n" {
			break
		}
	}
	_, _, err := p.frame()
	return p, err
}

// frame reads a frame of the gateway, which must not be masked.
func (p *tlsPeer) frame() (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(p.in, head[:2]); err != nil {
		return 0, nil, err
	}
	size, more := int(head[1]), 0
	switch size {
	case 126:
		more = 2
	case 127:
		more = 8
	}
	if _, err := io.ReadFull(p.in, head[2:2+more]); err != nil {
		return 0, nil, err
	}
	if more > 0 {
		size = 0
		for _, b := range head[2 : 2+more] {
			size = size<<8 | int(b)
		}
	}
	if size > 64<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(p.in, payload)
	return head[0] & 0x0f, payload, err
}

// numbers reads to the end and returns the numbers of the messages.
func (p *tlsPeer) numbers() (list []int) {
	_ = p.SetReadDeadline(time.Now().Add(wstest.Patience))
	for {
		op, payload, err := p.frame()
		if err != nil {
			return list
		}
		if op == wstest.OpText {
			list = append(list, numberOf(string(payload)))
		}
	}
}
