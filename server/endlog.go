package server

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"castgate/server/frames"
	"castgate/server/transport"
)

// One line at debug level for each connection that is refused or ends, so that
// somebody can find out why a client does not come in or does not stay. Nothing
// of what a client has sent is in it. At other levels it costs the look at the
// level.

// traces tells whether such lines are wanted. Any goroutine.
func traces(log *slog.Logger) bool { return log.Enabled(context.Background(), slog.LevelDebug) }

// logRefused writes the line of a socket that did not become a client. Any
// goroutine.
func logRefused(log *slog.Logger, peer netip.AddrPort, why string) {
	log.Debug("connection refused", "addr", peer.String(), "reason", why)
}

// logRefusal is logRefused for a connection of the loop.
func (l *loop) logRefusal(slot uint32, c *conn, why string) {
	if traces(l.srv.log) {
		logRefused(l.srv.log, l.srv.registry.address(l.handle(slot, c)), why)
	}
}

// logNoTLS is logRefusal for who has no TLS connection. err may be nil.
func (l *loop) logNoTLS(slot uint32, c *conn, why transport.Result, err error) {
	if !traces(l.srv.log) {
		return
	}
	peer := l.srv.registry.address(l.handle(slot, c))
	if err == nil {
		logRefused(l.srv.log, peer, "tls_"+why.String())
		return
	}
	l.srv.log.Debug("connection refused", "addr", peer.String(), "reason", "tls_"+why.String(), "err", err.Error())
}

// logGone writes the line of a connection that has ended before it was decided on.
func (l *loop) logGone(slot uint32, c *conn) {
	if traces(l.srv.log) {
		logRefused(l.srv.log, l.srv.registry.address(l.handle(slot, c)), handshakeLabel(handshakeGone))
	}
}

// logEnd remembers and writes the line of a client whose end begins: once, since its close
// frame follows or its socket is closed. f is the close frame, nil without one.
func (l *loop) logEnd(slot uint32, c *conn, why closeReason, f *frames.Frame) {
	l.remember(slot, c, why, f)
	if !traces(l.srv.log) {
		return
	}
	h := l.handle(slot, c)
	peer, since := l.srv.registry.address(h), l.srv.registry.connectedAt(h)
	in, out := transferred(int(c.fd))
	l.srv.log.Debug("client ended", "addr", peer.String(), "reason", closeTable[why].label, "code", closeCode(f),
		"bytes_in", in, "bytes_out", out, "duration", time.Since(since).Round(time.Millisecond))
}

// closeCode is the code of a close frame, 0 without one or with none in it.
func closeCode(f *frames.Frame) int {
	if f == nil || len(f.Bytes) < 4 {
		return 0
	}
	return int(f.Bytes[2])<<8 | int(f.Bytes[3])
}

// transferred asks the kernel how many bytes a socket has received and, as far as
// the peer has confirmed them, sent. So no connection has to count them.
func transferred(fd int) (in, out uint64) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0
	}
	return info.Bytes_received, info.Bytes_acked
}
