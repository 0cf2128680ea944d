package transport

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"reflect"
	"runtime"
	"unsafe"
)

// internals are unexported fields of a tls.Conn. raw holds records as they came, text
// what has been decrypted and not been read, hand messages of the handshake.
//
// A tls.Conn never frees these buffers. An idle client would keep 3.5 KB that its
// ClientHello has left behind, half of all that the connection costs, and 17 KB after
// one message of 16 KB; the API of crypto/tls has no way to prevent that. Records
// therefore takes the buffers out between two reads, see Records.lend.
//
// They also show what a client does below the level of its data, see Records.read.
type internals struct {
	raw  *bytes.Buffer
	text *bytes.Reader
	hand *bytes.Buffer
	key  *[]byte // the secret of the peer's records; another slice after each key update
}

// layout is where a tls.Conn has its internals.
type layout struct {
	raw, text, hand, key uintptr
	found                bool
}

// offsets are the layout of this Go version's tls.Conn.
var offsets = findInternals(reflect.TypeFor[tls.Conn]())

// findInternals looks for the fields by name and type. If crypto/tls has changed them,
// they are left alone: connections then cost more, and only crypto/tls's own limits
// hold for key updates and handshake messages. WarnOfInternals and a metric say so.
func findInternals(conn reflect.Type) (at layout) {
	at.found = true
	in, ok := conn.FieldByName("in")
	if !ok || in.Type.Kind() != reflect.Struct {
		return layout{}
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
		field, ok := f.of.FieldByName(f.name)
		at.found = at.found && ok && field.Type == f.typ
		*f.offset = f.base + field.Offset
	}
	return at
}

// InternalsFound reports whether this Go version's crypto/tls has the fields that two
// limits of this package rest on: see WarnOfInternals. Any goroutine.
func InternalsFound() bool { return offsets.found }

// WarnOfInternals logs a warning unless InternalsFound. Servers call it when they
// start with a TLS listener.
func WarnOfInternals(log *slog.Logger) {
	if offsets.found {
		return
	}
	log.Warn("crypto/tls of this Go version lacks fields that castgate relies on: idle wss clients need more memory, "+
		"and neither their key updates nor their unfinished handshake messages are limited by castgate; build castgate with the Go version of its go.mod",
		"go", runtime.Version(), "metric", "castgate_tls_internals_found")
}

// internalsOf returns the internals of a connection whose handshake is done, false
// if they were not found. Only the goroutine that reads from c may use them.
func internalsOf(c *tls.Conn) (internals, bool) {
	if !offsets.found {
		return internals{}, false
	}
	p := unsafe.Pointer(c)
	return internals{
		raw:  (*bytes.Buffer)(unsafe.Add(p, offsets.raw)),
		text: (*bytes.Reader)(unsafe.Add(p, offsets.text)),
		hand: (*bytes.Buffer)(unsafe.Add(p, offsets.hand)),
		key:  (*[]byte)(unsafe.Add(p, offsets.key)),
	}, true
}
