package swarm

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/loadtest/address"
	"castgate/loadtest/clock"
	"castgate/loadtest/internal/oneline"
	"castgate/loadtest/latency"
)

// maxHandshake limits the server's response to the handshake, in bytes.
const maxHandshake = 16 << 10

// dialMore starts connections as far as rate and limit allow: those of the
// ramp, then those that reconnect.
func (l *loop) dialMore() {
	if l.swarm.failure.Load() != nil {
		return
	}
	allowed := l.ramp.allowed()
	for {
		i, ok := l.ramp.pick(allowed)
		if !ok {
			return
		}
		if err := l.dial(i); err != nil {
			l.end(i, &l.conns[i], err)
			return
		}
		l.ramp.waiting.push(i)
	}
}

// findLate ends the connection that has waited longest for the server if that
// exceeds the timeout.
func (l *loop) findLate() {
	for !l.ramp.waiting.empty() {
		i := l.ramp.waiting.oldest()
		c := &l.conns[i]
		if c.phase.waits() {
			if age := time.Duration(clock.Now() - c.started); age > l.swarm.cfg.Timeout {
				l.end(i, c, tooLate(c.phase, age))
			}
			return
		}
		l.ramp.waiting.pop()
	}
}

// target is the target of connection i.
func (l *loop) target(i int) *address.Target {
	return &l.swarm.targets[l.global(i)%len(l.swarm.targets)]
}

// dial starts connection i.
func (l *loop) dial(i int) error {
	t, c := l.target(i), &l.conns[i]
	addr := t.Addr.String()
	family := unix.AF_INET6
	if t.Addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return explain("a socket to", addr, err)
	}
	c.fd, c.phase, c.started = int32(fd), phaseConnecting, clock.Now()
	l.ramp.inFlight++
	if err := l.prepare(fd, i); err != nil {
		return err
	}
	if err := unix.Connect(fd, address.Sockaddr(t.Addr.Addr(), int(t.Addr.Port()))); err != nil && err != unix.EINPROGRESS {
		return explain("connect to", addr, err)
	}
	event := unix.EpollEvent{Events: unix.EPOLLOUT, Fd: int32(i)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// prepare sets socket options and binds to the connection's source address.
func (l *loop) prepare(fd, i int) error {
	cfg := &l.swarm.cfg
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if cfg.ReceiveBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, cfg.ReceiveBuffer); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	if len(cfg.Sources) == 0 {
		return nil
	}
	// Every source connects to every target in turn.
	source := cfg.Sources[l.global(i)/len(l.swarm.targets)%len(cfg.Sources)]
	// Otherwise bind would choose a port that is free for every destination,
	// and the source would run out of ports far too early.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := unix.Bind(fd, address.Sockaddr(source, 0)); err != nil {
		return explain("a socket from", source.String(), err)
	}
	return nil
}

// greet continues once connect is done: with TLS if the URL requires it.
func (l *loop) greet(i int) error {
	t, c := l.target(i), &l.conns[i]
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		return explain("connect to", t.Addr.String(), err)
	}
	if t.TLS != nil {
		return l.beginTLS(i)
	}
	if err := l.ask(i); err != nil {
		return err
	}
	return l.listen(i)
}

// ask sends the handshake.
func (l *loop) ask(i int) error {
	t, c := l.target(i), &l.conns[i]
	request := codec.AppendRequest(nil, t.Host, t.Path, l.key(i), l.swarm.header)
	if err := c.send(request); err != nil {
		return explain("handshake with", t.URL, err)
	}
	c.phase = phaseHandshake
	return nil
}

// listen makes epoll report input of connection i.
func (l *loop) listen(i int) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_MOD, int(l.conns[i].fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)})
}

// key is the Sec-WebSocket-Key of connection i. It is derived from run and
// index, different for every connection, and not stored.
func (l *loop) key(i int) (key [24]byte) {
	var nonce [16]byte
	binary.BigEndian.PutUint32(nonce[:], l.swarm.cfg.Run)
	binary.BigEndian.PutUint64(nonce[8:], uint64(l.global(i))*0x9e3779b97f4a7c15)
	base64.StdEncoding.Encode(key[:], nonce[:])
	return key
}

// checkResponse looks for the end of the server's response in b and checks it.
// It returns how much of b belongs to it, 0 if it is incomplete.
func (l *loop) checkResponse(i int, b []byte) (int, error) {
	t := l.target(i)
	end := codec.HandshakeEnd(b, 0)
	if end <= 0 {
		if len(b) > maxHandshake {
			return 0, fmt.Errorf("handshake with %s: no end of the response after %d bytes: %s", t.URL, len(b), oneline.Excerpt(b))
		}
		if len(b) >= 5 && string(b[:5]) != "HTTP/" {
			return 0, fmt.Errorf("handshake with %s: %w", t.URL, noHTTP(b))
		}
		return 0, nil
	}
	if err := codec.CheckResponse(b[:end], l.key(i)); err != nil {
		return 0, fmt.Errorf("handshake with %s: %w: %s", t.URL, err, answer(b, end))
	}
	c := &l.conns[i]
	if l.swarm.cfg.Compress {
		var err error
		if c.deflate, err = codec.DeflateAgreed(b[:end]); err != nil {
			return 0, fmt.Errorf("handshake with %s: %w", t.URL, err)
		}
	}
	c.phase = phaseInit
	if greeting := l.swarm.cfg.Greeting; len(greeting) > 0 {
		if err := l.outbound.frame(c, ws.OpText, greeting); err != nil {
			return 0, explain("greeting to", t.URL, err)
		}
	} else if l.swarm.cfg.NoInit {
		l.arrive(i)
	}
	return end, nil
}

// arrive makes connection i open.
func (l *loop) arrive(i int) {
	c := &l.conns[i]
	c.phase = phaseOpen
	l.ramp.inFlight--
	now := clock.Now()
	latency.Record(l.ledger.connected, now-c.started)
	l.ledger.timeline.Opened(now)
	l.ledger.beginLife(i)
	if arrived := l.swarm.cfg.Arrived; arrived != nil {
		arrived(l.global(i), c.id)
	}
	if l.swarm.opened.Add(1) == int64(l.swarm.cfg.Connections) {
		ring(l.swarm.grown)
	}
}
