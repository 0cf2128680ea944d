package conformance

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Opcodes of RFC 6455 section 5.2 and bits of a frame's first byte.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa

	fin  = 0x80
	rsv1 = 0x40
)

// patience is how long an answer may take. It is generous, since only a failing
// test or a delayed machine waits that long: 16 MiB back and forth under the race detector
// took over a minute at a load of 30.
const patience = 3 * time.Minute

var maskKey = [4]byte{0xa5, 0x00, 0x5a, 0xff}

// frame is a masked frame with the shortest encoding of its length; first is its
// whole first byte.
func frame(first byte, payload []byte) []byte { return masked(first, payload, maskKey) }

func masked(first byte, payload []byte, key [4]byte) []byte {
	return body(header(first, 0x80, len(payload)), payload, key)
}

// header is a frame's first bytes, without a mask.
func header(first, maskBit byte, n int) []byte {
	switch {
	case n < 126:
		return []byte{first, maskBit | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, maskBit | 126}, uint16(n))
	}
	return binary.BigEndian.AppendUint64([]byte{first, maskBit | 127}, uint64(n))
}

// body appends the mask and the masked payload to a header.
func body(dst, payload []byte, key [4]byte) []byte {
	dst = append(dst, key[:]...)
	start := len(dst)
	dst = append(dst, payload...)
	for i := range payload {
		dst[start+i] ^= key[i%4]
	}
	return dst
}

func text(s string) []byte { return frame(fin|opText, []byte(s)) }

func closeFrame(code int, reason string) []byte {
	return frame(fin|opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// fragments is a message in fragments of at most step bytes.
func fragments(op byte, payload []byte, step int) []byte {
	var out []byte
	for first := op; ; first = opContinuation {
		n := min(step, len(payload))
		if n == len(payload) {
			return append(out, frame(fin|first, payload)...)
		}
		out = append(out, frame(first, payload[:n])...)
		payload = payload[n:]
	}
}

const syncTail = "\x00\x00\xff\xff"

// deflate returns the payload of a compressed message (RFC 7692 section 7.2.1).
// From a megabyte on it uses a lower level, since the race detector slows down
// every memory access.
func deflate(plain []byte) []byte {
	level := flate.DefaultCompression
	if len(plain) >= 1<<20 {
		level = flate.BestSpeed
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(plain)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(syncTail))
}

// bomb is n zeros, compressed: those of a megabyte, repeated.
func bomb(n int) []byte {
	const part = 1 << 20
	again := append(deflate(make([]byte, part)), syncTail...)
	return append(bytes.Repeat(again, n/part), deflate(make([]byte, n%part))...)
}

func inflate(packed []byte) ([]byte, error) {
	return io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(packed), strings.NewReader(syncTail+"\x01\x00\x00\xff\xff"))))
}

// message is what the server sends: a message assembled from its frames, or a
// control frame.
type message struct {
	op      byte
	payload string
	packed  bool // it was compressed
}

// peer is the client's end of a connection.
type peer struct {
	conn  net.Conn
	in    *bufio.Reader
	packs bool // permessage-deflate was negotiated

	part message // a message whose last frame has not arrived
	open bool    // there is one
}

// errEnd means that the server ended the connection.
var errEnd = errors.New("the connection ended")

// next reads the next message or control frame.
func (p *peer) next() (message, error) {
	for {
		first, payload, err := p.frame()
		if err != nil {
			return message{}, err
		}
		op := first & 0x0f
		switch {
		case op >= opClose:
			if first != fin|op || len(payload) > 125 {
				return message{}, fmt.Errorf("control frame %#x of %d bytes", first, len(payload))
			}
			return message{op: op, payload: string(payload)}, nil
		case op == opContinuation && (!p.open || first&0x70 != 0), op != opContinuation && p.open:
			return message{}, fmt.Errorf("frame %#x out of place", first)
		case first&0x70 != 0 && (first&0x70 != rsv1 || !p.packs):
			return message{}, fmt.Errorf("reserved bits in %#x", first)
		case op != opContinuation:
			p.part, p.open = message{op: op, packed: first&rsv1 != 0}, true
		}
		p.part.payload += string(payload)
		if first&fin == 0 {
			continue
		}
		p.open = false
		m := p.part
		if m.packed {
			plain, err := inflate([]byte(m.payload))
			if err != nil {
				return message{}, fmt.Errorf("compressed message: %w", err)
			}
			m.payload = string(plain)
		}
		return m, nil
	}
}

func (p *peer) frame() (first byte, payload []byte, err error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	var head [10]byte
	if _, err := io.ReadFull(p.in, head[:2]); err != nil {
		return 0, nil, ending(err)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(p.in, head[2:4])
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(p.in, head[2:10])
		n = binary.BigEndian.Uint64(head[2:])
	}
	switch {
	case err != nil:
		return 0, nil, ending(err)
	case head[1] >= 0x80:
		return 0, nil, errors.New("the server masks its frames")
	case head[1] == 126 && n < 126 || head[1] == 127 && n < 1<<16:
		return 0, nil, errors.New("a length is not in its shortest form")
	case n > 64<<20:
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(p.in, payload)
	return head[0], payload, ending(err)
}

// ending maps the ways in which a connection ends to errEnd.
func ending(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err != nil && strings.Contains(err.Error(), "reset by peer") {
		return errEnd
	}
	return err
}
