package stress

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

const (
	fairSecret = "a-secret-of-tokens-that-has-32-bytes"
	// proxyHost is the address of the trusted proxy in the fairness scenarios.
	// Bystanders come from another address.
	proxyHost  = "127.0.0.2"
	mostGroups = 4096 // per client
	// handshakeBytes is about what a client sends in a TLS handshake.
	handshakeBytes = 600
)

// clientAttacks come from clients that may connect: with tokens, over TLS, through
// a proxy, with compression.
var clientAttacks = []attack{
	{"tokens of many groups", tokens(1), nil},
	{"crowds of tokens of many groups", tokens(40), nil},
	{"tls: half hellos", hellos(200), nil},
	{"tls: hellos and silence", hellos(1 << 20), nil},
	{"tls: handshakes without pause", tlsHandshakes, nil},
	{"tls: tiny records", tinyRecords, nil},
	{"proxy: version 1 byte by byte", proxied("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", true), nil},
	{"proxy: version 1 without end", proxied("PROXY UNKNOWN "+strings.Repeat("x", 200), true), nil},
	{"proxy: version 2 byte by byte", proxied("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x02", true), nil},
	{"proxy: version 2 shorter than announced", proxied("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"+strings.Repeat("x", 1000), false), nil},
	{"proxy: half of version 2", proxied("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x01\xf4"+strings.Repeat("x", 400), false), nil},
}

// visitAttacks come from clients that connect and disconnect, or send compressed
// data.
var visitAttacks = []attack{
	{"close frames", visits(wstest.MaskedFrame(wstest.OpClose, []byte{3, 232}), false), nil},
	{"half closes", visits(nil, true), nil},
	{"messages and half closes", visits(bytes.Repeat(wstest.MaskedFrame(wstest.OpText, []byte("x")), 200), true), nil},
	{"resets", visits(nil, false), nil},
	{"compressed messages in tiny fragments", inFragments(4000, 1), nil},
	{"compressed bombs in fragments", inFragments(60_000, 8), nil},
	{"pings between compressed fragments", pingedFragments, nil},
	{"empty compressed fragments", emptyFragments, nil},
}

// turns calls visit repeatedly. Each visit sends the given number of bytes, and the
// pauses keep all attackers together within their rate, including the first visits.
// A visit costs the gateway more than its bytes.
func (s *site) turns(over *atomic.Bool, rate, bytes int, visit func()) {
	pause := time.Duration(float64(bytes+1000) / float64(rate) * float64(time.Second))
	for next := time.Now().Add(rand.N(pause)); !over.Load(); {
		if wait := time.Until(next); wait > 0 {
			time.Sleep(min(wait, 100*time.Millisecond))
			continue
		}
		visit()
		s.attacked.Add(int64(bytes))
		next = next.Add(pause)
	}
}

// answered reads the head of the answer to a handshake and expects the counter of
// its result.
func (s *site) answered(c net.Conn) *bufio.Reader {
	in := bufio.NewReader(c)
	_ = c.SetReadDeadline(time.Now().Add(wstest.Patience))
	if resp, err := http.ReadResponse(in, nil); err == nil && resp.StatusCode == http.StatusSwitchingProtocols {
		s.expect(handshakesOK, 1)
	}
	return in
}

// bearing is a handshake with a token.
func bearing(token string) string {
	return strings.Replace(wstest.Handshake, "\r\n\r\n", "\r\nSec-WebSocket-Protocol: castgate, bearer."+token+"\r\n\r\n", 1)
}

// tokens connects clients with tokens of mostGroups groups, the given number at a
// time, and disconnects them together.
func tokens(together int) attackRun {
	return func(_ *Trial, s *site, number int, over *atomic.Bool, rate int) {
		var heads []string
		for i := range 5 {
			groups := make([]string, mostGroups)
			for j := range groups {
				groups[j] = strconv.FormatInt(int64(number*5+i)<<12|int64(j), 36)
			}
			until := time.Now().Add(time.Hour)
			heads = append(heads, bearing(hs256([]byte(fairSecret), wstest.M{"sub": "attacker", "groups": groups, "exp": until.Unix()})))
		}
		var crowd []net.Conn
		s.turns(over, rate, len(heads[0]), func() {
			c, err := dialAttacker(s.Addr)
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, heads[rand.IntN(len(heads))])
			s.answered(c)
			if crowd = append(crowd, c); len(crowd) >= together {
				for _, c := range crowd {
					drop(c)
				}
				crowd = crowd[:0]
			}
		})
		for _, c := range crowd {
			drop(c)
		}
	}
}

// visits connects, sends something and disconnects: by closing its own half and
// waiting for the other, or with a reset.
func visits(words []byte, half bool) attackRun {
	return func(_ *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		wire := append([]byte(wstest.Handshake), words...)
		s.turns(over, rate, len(wire), func() {
			c, err := dialAttacker(s.Addr)
			if err != nil {
				return
			}
			defer drop(c)
			_, _ = c.Write(wire)
			if half {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			if in := s.answered(c); half {
				_, _ = io.Copy(io.Discard, in)
			}
		})
	}
}

const compressing = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"

var compressingHead = strings.Replace(wstest.Handshake, "\r\n\r\n", compressing, 1)

// deflated is a compressed message without its final empty block.
func deflated(message []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(message)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// appendFragments appends a compressed message in fragments of size bytes, with
// between after each.
func appendFragments(dst, packed []byte, size int, between []byte) []byte {
	first := byte(0x40 | wstest.OpBinary)
	for len(packed) > 0 {
		n := min(size, len(packed))
		if n == len(packed) {
			first |= 0x80
		}
		dst = append(wstest.AppendMasked(dst, first, packed[:n]), between...)
		packed, first = packed[n:], wstest.OpContinuation
	}
	return dst
}

// inFragments sends compressed messages in fragments: incompressible noise if the
// messages are small, otherwise bombs.
func inFragments(size, piece int) attackRun {
	message := make([]byte, size)
	if size < 10_000 {
		for i := range message {
			message[i] = byte(rand.Uint32())
		}
	}
	unit := appendFragments(nil, deflated(message), piece, nil)
	return func(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		s.flood(t, compressingHead, nil, unit, over, rate)
	}
}

func pingedFragments(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
	unit := appendFragments(nil, deflated(bytes.Repeat([]byte("abcdefghij"), 50)), 1, wstest.MaskedFrame(wstest.OpPing, nil))
	s.flood(t, compressingHead, nil, unit, over, rate)
}

// emptyFragments starts a compressed message that never ends.
func emptyFragments(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
	s.flood(t, compressingHead, wstest.AppendMasked(nil, 0x40|wstest.OpText, nil), wstest.AppendMasked(nil, wstest.OpContinuation, nil), over, rate)
}

// recorder keeps what is written to it.
type recorder struct {
	net.Conn
	b []byte
}

func (r *recorder) Write(p []byte) (int, error) { r.b = append(r.b, p...); return len(p), nil }
func (r *recorder) Read([]byte) (int, error)    { return 0, io.EOF }
func (r *recorder) Close() error                { return nil }

var anybody = &tls.Config{InsecureSkipVerify: true}

// hellos sends a ClientHello, or the first most bytes of it, repeatedly.
func hellos(most int) attackRun {
	return func(t *Trial, s *site, number int, over *atomic.Bool, rate int) {
		var r recorder
		_ = tls.Client(&r, anybody).Handshake()
		hello := string(r.b[:min(most, len(r.b))])
		again(func(s *site) string { return s.Listeners["wss"] }, hello, func(*site, []byte) {})(t, s, number, over, rate)
	}
}

// tlsHandshakes completes one TLS handshake after the other. Its rate is what the
// processors allow.
func tlsHandshakes(_ *Trial, s *site, _ int, over *atomic.Bool, _ int) {
	for !over.Load() {
		c, err := dialAttacker(s.Listeners["wss"])
		if err != nil {
			return
		}
		_ = c.SetDeadline(time.Now().Add(wstest.Patience))
		if tls.Client(c, anybody).Handshake() == nil {
			s.attacked.Add(handshakeBytes)
		}
		drop(c)
	}
}

// tinyRecords sends messages byte by byte, each byte in a TLS record.
func tinyRecords(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
	c, err := dialAttacker(s.Listeners["wss"])
	t.Check(err == nil, "an attacker: %v", err)
	if err != nil {
		return
	}
	defer drop(c)
	peer := tls.Client(c, anybody)
	_, err = io.WriteString(peer, wstest.Handshake)
	t.Check(err == nil, "an attacker's handshake: %v", err)
	in := s.answered(peer)
	_ = c.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, in) }()
	frame := wstest.MaskedFrame(wstest.OpText, []byte("x"))
	const recordLen = 23 // with one byte of data
	records := 10 * len(frame)
	s.turns(over, rate, records*recordLen, func() {
		_ = c.SetWriteDeadline(time.Now().Add(wstest.Patience))
		for i := range records {
			_, _ = peer.Write(frame[i%len(frame):][:1])
		}
	})
}

// packetHead is the overhead of a packet in bytes.
const packetHead = 40

// proxied opens connections of the trusted proxy with a PROXY header, in one piece
// or byte by byte.
func proxied(header string, drip bool) attackRun {
	return func(_ *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxyHost)}}
		step := len(header)
		if drip {
			step = 1
		}
		s.turns(over, rate, len(header)/step*(step+packetHead), func() {
			c, err := from.Dial("tcp", s.Addr)
			if err != nil {
				return
			}
			defer drop(c)
			for i := 0; i < len(header) && err == nil; i += step {
				_, err = io.WriteString(c, header[i:i+step])
			}
			_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = c.Read(make([]byte, 1))
		})
	}
}
