package server

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"reflect"
	"runtime"
	"unsafe"
)

// tlsBuffers are the buffers inside a tls.Conn: raw has records as they came,
// text what of one is decrypted and not read, hand messages of the handshake.
//
// A tls.Conn never gives them up. Those of an idle client would hold 3.5 KB
// that its ClientHello has left behind, half of all that the connection costs,
// and 17 KB after a single message of 16; nothing in crypto/tls's interface
// prevents that. So between two reads they are taken out: the loop lends its
// own for raw, and a connection keeps only what has come of a record in part.
//
// They also show what a client does to the gateway beneath its data: see open.
type tlsBuffers struct {
	raw  *bytes.Buffer
	text *bytes.Reader
	hand *bytes.Buffer
	key  *[]byte // the secret of what is read; another slice after each change
}

// tlsOffsets are where a tls.Conn has its buffers.
var tlsOffsets = findTLSBuffers(reflect.TypeFor[tls.Conn]())

type tlsLayout struct {
	raw, text, hand, key uintptr
	known                bool
}

// findTLSBuffers looks for the buffers by name and type. If crypto/tls has changed
// them, they are left alone. Connections then cost more, and open's two limits do
// not apply: only crypto/tls's own do. warnOfTLS and a metric say so.
func findTLSBuffers(conn reflect.Type) (at tlsLayout) {
	at.known = true
	in, ok := conn.FieldByName("in")
	if !ok || in.Type.Kind() != reflect.Struct {
		return tlsLayout{}
	}
	for _, f := range []struct {
		of     reflect.Type
		base   uintptr
		name   string
		typ    reflect.Type
		offset *uintptr
	}{
		{conn, 0, "rawInput", reflect.TypeFor[bytes.Buffer](), &at.raw},
		{conn, 0, "input", reflect.TypeFor[bytes.Reader](), &at.text},
		{conn, 0, "hand", reflect.TypeFor[bytes.Buffer](), &at.hand},
		{in.Type, in.Offset, "trafficSecret", reflect.TypeFor[[]byte](), &at.key},
	} {
		found, ok := f.of.FieldByName(f.name)
		at.known = at.known && ok && found.Type == f.typ
		*f.offset = f.base + found.Offset
	}
	return at
}

// warnOfTLS says at the start of a gateway with a wss listener that two limits
// which keep wss clients from costing too much are not there.
func warnOfTLS(log *slog.Logger) {
	if tlsOffsets.known {
		return
	}
	log.Warn("crypto/tls of this Go version lacks fields that castgate relies on: idle wss clients need more memory, "+
		"and neither their key updates nor their unfinished handshake messages are limited by castgate; build castgate with the Go version of its go.mod",
		"go", runtime.Version(), "metric", "castgate_tls_internals_found")
}

// buffersOf returns the buffers of a connection whose handshake is done, false
// if they can't be had. For the goroutine that reads from c.
func buffersOf(c *tls.Conn) (tlsBuffers, bool) {
	if !tlsOffsets.known {
		return tlsBuffers{}, false
	}
	p := unsafe.Pointer(c)
	return tlsBuffers{
		raw:  (*bytes.Buffer)(unsafe.Add(p, tlsOffsets.raw)),
		text: (*bytes.Reader)(unsafe.Add(p, tlsOffsets.text)),
		hand: (*bytes.Buffer)(unsafe.Add(p, tlsOffsets.hand)),
		key:  (*[]byte)(unsafe.Add(p, tlsOffsets.key)),
	}, true
}

// maxLent is how large a buffer a loop keeps for lending: a record, its header
// and what bytes.Buffer wants free beyond them.
const maxLent = 32 << 10

// lend gives c the loop's buffer for the records that come, unless it has part
// of one in its own; then false.
func (l *loop) lend(c *tls.Conn) bool {
	b, ok := buffersOf(c)
	if !ok || b.raw.Len() > 0 || b.text.Len() > 0 {
		return false
	}
	*b.raw, l.lent = l.lent, bytes.Buffer{}
	return true
}

// reclaim takes what c does not need out of it; lent is what lend has said.
func (l *loop) reclaim(c *tls.Conn, lent bool) {
	b, ok := buffersOf(c)
	if !ok {
		return
	}
	if b.hand.Len() == 0 {
		*b.hand = bytes.Buffer{}
	}
	if b.text.Len() > 0 {
		return // only if reading has failed
	}
	*b.text = bytes.Reader{} // it still points into raw
	if part := b.raw.Bytes(); len(part) > 0 && !lent {
		return // its own already
	}
	raw := *b.raw
	*b.raw = bytes.Buffer{}
	if raw.Len() > 0 {
		b.raw.Write(raw.Bytes())
	}
	if raw.Reset(); raw.Cap() <= maxLent {
		l.lent = raw
	}
}
