package gatewayworker

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

// MaxLine is the length of a line, in bytes, at which PHP closes the connection
// (section 1.1).
const MaxLine = 10485760

// ErrLineLong says that a line has reached its limit.
var ErrLineLong = errors.New("line too long")

// LineReader assembles lines from bytes as they arrive. Max is the limit of a
// line in bytes, including its end; 0 means [MaxLine]. It holds only what has
// arrived.
type LineReader struct {
	Max  int
	held []byte
	used bool
	err  error
}

// Next consumes bytes of in and returns the first line, without the carriage
// returns and line feeds at its end, and the bytes after it, to be passed in
// again. ok is false if all of in was consumed and more is needed. ErrLineLong
// is returned once a line, complete or not, has Max bytes, and by every later
// call. The line points into in or the reader: it is valid until the next call
// or until in is reused.
func (r *LineReader) Next(in []byte) (line, rest []byte, ok bool, err error) {
	limit := r.Max
	if limit == 0 {
		limit = MaxLine
	}
	if r.used {
		r.used = false
		if r.held = r.held[:0]; cap(r.held) > keepBuffer {
			r.held = nil
		}
	}
	n := bytes.IndexByte(in, '\n') + 1
	if r.err == nil && (n == 0 && len(r.held)+len(in) >= limit || n > 0 && len(r.held)+n-1 >= limit) {
		r.err = ErrLineLong
	}
	switch {
	case r.err != nil:
		return nil, nil, false, r.err
	case n == 0:
		r.held = append(r.held, in...)
		return nil, nil, false, nil
	case len(r.held) == 0:
		return bytes.TrimRight(in[:n], "\r\n"), in[n:], true, nil
	}
	r.held, r.used = append(r.held, in[:n]...), true
	return bytes.TrimRight(r.held, "\r\n"), in[n:], true, nil
}

// RegisterEvent is the kind of a line to a Register.
type RegisterEvent byte

// Kinds of lines to a Register (section 1.2).
const (
	RegisterInvalid RegisterEvent = iota // not JSON or without an event: answer with a line of text, close
	RegisterUnknown                      // another event: close
	RegisterGateway                      // gateway_connect
	RegisterWorker                       // worker_connect
	RegisterPing                         // ping
)

// RegisterLine is a line to a Register. Absent and null keys are "".
type RegisterLine struct {
	Event   RegisterEvent
	Address []byte // nil if empty or not a string: close
	Secret  []byte // nil if it is neither a string nor absent nor null: no key equals it
}

// RegisterLine reads a line without its end, by PHP's rules of what is true
// (section 1.2).
func (d *Decoder) RegisterLine(line []byte) (l RegisterLine) {
	if !d.valid(line) {
		return l
	}
	r := jsonReader{b: line}
	if kind, _ := r.kind(); kind != jsonObject {
		return l
	}
	l.Secret = keyNone
	d.eachOnce(&r, jsonObject, func(name []byte, kind jsonKind) {
		switch string(name) {
		case "event":
			l.Event = d.registerEvent(&r, kind)
		case "address":
			if value, _ := d.scalar(&r, kind); kind == jsonString && !EmptyName(value) {
				l.Address = value
			}
		case "secret_key":
			value, _ := d.scalar(&r, kind)
			if l.Secret = nil; kind == jsonString || kind == jsonNull {
				l.Secret = value
			}
		}
	})
	return l
}

func (d *Decoder) registerEvent(r *jsonReader, kind jsonKind) RegisterEvent {
	if kind != jsonString {
		if d.truthy(r, kind) {
			return RegisterUnknown
		}
		return RegisterInvalid
	}
	name, _ := d.scalar(r, kind)
	switch {
	case string(name) == "gateway_connect":
		return RegisterGateway
	case string(name) == "worker_connect":
		return RegisterWorker
	case string(name) == "ping":
		return RegisterPing
	case EmptyName(name):
		return RegisterInvalid
	}
	return RegisterUnknown
}

// AppendGatewayConnect appends the line that a gateway sends to a Register,
// with the spaces that PHP puts in it. Unlike PHP, it escapes what JSON
// requires to be escaped.
func AppendGatewayConnect(dst []byte, address, secret string) []byte {
	dst = appendJSONString(append(dst, `{"event":"gateway_connect", "address":`...), address)
	dst = appendJSONString(append(dst, `, "secret_key":`...), secret)
	return append(dst, '}', '\n')
}

// AppendWorkerConnect appends the line a worker or API client sends to a Register.
func AppendWorkerConnect(dst []byte, secret string) []byte {
	dst = appendJSONString(append(dst, `{"event":"worker_connect","secret_key":`...), secret)
	return append(dst, '}', '\n')
}

// AppendRegisterPing appends the line that keeps a connection to a Register
// alive.
func AppendRegisterPing(dst []byte) []byte { return append(dst, "{\"event\":\"ping\"}\n"...) }

// AppendBroadcast appends the one line a Register sends: the addresses of its
// gateways, always as a list (section 1.3).
func AppendBroadcast(dst []byte, addresses []string) []byte {
	dst = append(dst, `{"event":"broadcast_addresses","addresses":[`...)
	for i, address := range addresses {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, address)
	}
	return append(dst, "]}\n"...)
}

// Broadcast reads a line of a Register: the addresses, in a list or an object.
// ok is false if it is not such a line.
func (d *Decoder) Broadcast(line []byte) (addresses [][]byte, ok bool) {
	if !d.valid(line) {
		return nil, false
	}
	r := jsonReader{b: line}
	if kind, _ := r.kind(); kind != jsonObject {
		return nil, false
	}
	event := false
	d.eachOnce(&r, jsonObject, func(name []byte, kind jsonKind) {
		switch string(name) {
		case "event":
			value, _ := d.scalar(&r, kind)
			event = string(value) == "broadcast_addresses"
		case "addresses":
			ok = kind == jsonArray || kind == jsonObject
			addresses = d.values(&r, kind)
		}
	})
	return addresses, ok && event
}

// appendJSONString appends s as JSON. Slashes and non-ASCII characters are not
// escaped; bytes that are not UTF-8 become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		dst = appendJSONRune(dst, c)
	}
	return append(dst, '"')
}

func appendJSONRune(dst []byte, c rune) []byte {
	const short = "\bb\ff\nn\rr\tt\"\"\\\\"
	switch {
	case c >= 0x20 && c != '"' && c != '\\':
		return utf8.AppendRune(dst, c)
	default:
		for i := 0; i < len(short); i += 2 {
			if rune(short[i]) == c {
				return append(dst, '\\', short[i+1])
			}
		}
		return append(append(dst, `\u00`...), strconv.FormatInt(int64(c)+0x100, 16)[1:]...)
	}
}
