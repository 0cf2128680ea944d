package wstest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Opcodes of RFC 6455 section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// Handshake is a well-formed opening handshake.
const Handshake = "GET / HTTP/1.1\r\nHost: castgate\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// Raw is a TCP connection to the client listener on which the test writes every
// byte itself.
type Raw struct {
	*net.TCPConn
	t  testing.TB
	in *bufio.Reader
}

// DialRaw opens a TCP connection and sends nothing.
func (g *Gateway) DialRaw(t testing.TB) *Raw {
	t.Helper()
	r, err := g.TryDialRaw(t)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TryDialRaw is DialRaw, but returns errors. It fails no test, so any goroutine may
// call it.
func (g *Gateway) TryDialRaw(t testing.TB) (*Raw, error) {
	conn, err := net.DialTimeout("tcp", g.Addr, Patience)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return &Raw{TCPConn: conn.(*net.TCPConn), t: t, in: bufio.NewReader(conn)}, nil
}

// Upgrade sends a handshake, requires 101 and returns the init message.
func (r *Raw) Upgrade() (initMessage string) {
	r.t.Helper()
	r.Put([]byte(Handshake))
	if status := r.Status(); status != http.StatusSwitchingProtocols {
		r.t.Fatalf("handshake answered %d, want 101", status)
	}
	op, payload, err := r.Frame()
	if err != nil || op != OpText {
		r.t.Fatalf("first frame: opcode %d, %v", op, err)
	}
	return string(payload)
}

// Put writes bytes unchanged.
func (r *Raw) Put(p []byte) {
	r.t.Helper()
	r.SetWriteDeadline(time.Now().Add(Patience))
	defer r.SetWriteDeadline(time.Time{}) // later writes of the test have no deadline
	if _, err := r.Write(p); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// Answer is Status, but returns errors. It fails no test, so any goroutine may call
// it.
func (r *Raw) Answer() (status int, err error) {
	r.SetReadDeadline(time.Now().Add(Patience))
	resp, err := http.ReadResponse(r.in, nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

// Status reads the head of an HTTP answer and returns its status, 0 if the
// connection ended without one.
func (r *Raw) Status() int {
	r.t.Helper()
	status, err := r.Answer()
	if err != nil && !ended(err) {
		r.t.Fatalf("reading the answer to the handshake: %v", err)
	}
	return status
}

// Frame reads one frame of the gateway, which must be unfragmented and unmasked.
func (r *Raw) Frame() (op byte, payload []byte, err error) {
	r.SetReadDeadline(time.Now().Add(Patience))
	var head [2]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xF0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("frame header %x is fragmented, masked or has reserved bits", head)
	}
	size := uint64(head[1])
	switch size {
	case 126:
		var ext [2]byte
		if _, err := io.ReadFull(r.in, ext[:]); err != nil {
			return 0, nil, err
		}
		size = uint64(binary.BigEndian.Uint16(ext[:]))
	case 127:
		var ext [8]byte
		if _, err := io.ReadFull(r.in, ext[:]); err != nil {
			return 0, nil, err
		}
		size = binary.BigEndian.Uint64(ext[:])
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("frame of %d bytes", size)
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r.in, payload)
	return head[0] & 0x0F, payload, err
}

// ExpectClosed reads until the connection ends and returns the code of the close
// frame, 0 if there was none. It answers the close frame as RFC 6455 section 5.5.1
// asks, and skips pongs and messages before it.
func (r *Raw) ExpectClosed() (code int) {
	r.t.Helper()
	for {
		op, payload, err := r.Frame()
		switch {
		case err != nil && ended(err):
			return code
		case err != nil:
			r.t.Fatalf("waiting for the end of the connection: %v", err)
		case op == OpClose:
			code = 1005 // RFC 6455 7.1.5: a close frame without a code
			if len(payload) >= 2 {
				code = int(binary.BigEndian.Uint16(payload))
			}
			r.Write(MaskedFrame(OpClose, payload)) // may fail: the other side need not wait for it
		}
	}
}

// ended distinguishes the end of a connection from a timeout or a malformed frame.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "connection reset")
}

// Reset ends the connection with RST instead of FIN.
func (r *Raw) Reset() {
	r.SetLinger(0)
	r.TCPConn.Close()
}

// MaskedFrame is a client frame with FIN set and the shortest encoding of its
// length.
func MaskedFrame(op byte, payload []byte) []byte {
	return AppendMasked(nil, 0x80|op, payload)
}

// AppendMasked appends a masked frame. first is its whole first byte, so FIN,
// reserved bits and opcode may be anything.
func AppendMasked(dst []byte, first byte, payload []byte) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

// ReadSlowly limits reading from now on to rate bytes a second, and buffers little
// in the kernel.
func (r *Raw) ReadSlowly(rate int) {
	r.SetReadBuffer(4 << 10)
	r.in = bufio.NewReaderSize(&unhurried{r.in, rate}, 4<<10)
}

type unhurried struct {
	in   io.Reader
	rate int
}

func (u *unhurried) Read(p []byte) (int, error) {
	n, err := u.in.Read(p)
	time.Sleep(time.Duration(n) * time.Second / time.Duration(u.rate))
	return n, err
}
