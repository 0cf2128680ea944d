package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
)

// A Go that names or shapes its buffers in another way makes connections cost
// twice as much and takes open its bounds: that must not pass unnoticed.
func TestTLSBuffersAreFound(t *testing.T) {
	if !tlsOffsets.known {
		t.Error("this Go's tls.Conn has no buffers where findTLSBuffers looks")
	}
	buffer, reader, secret := reflect.TypeFor[bytes.Buffer](), reflect.TypeFor[bytes.Reader](), reflect.TypeFor[[]byte]()
	field := func(name string, typ reflect.Type) reflect.StructField {
		return reflect.StructField{Name: name, PkgPath: "crypto/tls", Type: typ}
	}
	half := reflect.StructOf([]reflect.StructField{field("seq", reflect.TypeFor[[8]byte]()), field("trafficSecret", secret)})
	for _, test := range []struct {
		hand  string
		raw   reflect.Type
		in    reflect.Type
		found bool
	}{
		{"hand", buffer, half, true},
		{"hands", buffer, half, false}, {"hand", reader, half, false}, {"hand", buffer, reflect.PointerTo(half), false},
		{"hand", buffer, reflect.StructOf([]reflect.StructField{field("trafficSecrets", secret)}), false},
		{"hand", buffer, reflect.StructOf([]reflect.StructField{field("trafficSecret", reflect.TypeFor[string]())}), false},
	} {
		typ := reflect.StructOf([]reflect.StructField{field("in", test.in), field("rawInput", test.raw), field("input", reader), field(test.hand, buffer)})
		if findTLSBuffers(typ).known != test.found {
			t.Errorf("%v: buffers found: %v", typ, !test.found)
		}
	}
}

// forgetTLSBuffers makes buffersOf fail until the end of the test.
func forgetTLSBuffers(t *testing.T) {
	known := tlsOffsets
	tlsOffsets = tlsLayout{}
	t.Cleanup(func() { tlsOffsets = known })
}

// Limits that are not there are reported: in the log of a start with a wss
// listener, and in the statistics of any.
func TestMissingTLSBuffersAreReported(t *testing.T) {
	for _, test := range []struct {
		name          string
		known, secure bool
		warnings      int
	}{{"known", true, true, 0}, {"unknown", false, true, 1}, {"unknown without TLS", false, false, 0}} {
		t.Run(test.name, func(t *testing.T) {
			if !test.known {
				forgetTLSBuffers(t) // undone behind the server's end
			}
			var log logBuffer
			change := func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }
			var s *testServer
			if test.secure {
				s = startSecure(t, &linux, change)
			} else {
				s = startServer(t, change)
			}
			st, err := s.Stats(t.Context())
			if err != nil || st.TLSInternals != test.known {
				t.Errorf("the statistics say %v %v", st.TLSInternals, err)
			}
			if n := log.count(`level=WARN msg="crypto/tls of this Go version lacks fields`); n != test.warnings {
				t.Errorf("%d warnings, want %d", n, test.warnings)
			}
		})
	}
}

// Without a way to the buffers everything works as it does with one.
func TestSecureWithItsOwnBuffers(t *testing.T) {
	forgetTLSBuffers(t) // undone behind the server's end
	t.Run("round trip", TestSecureRoundTrip)
	t.Run("trickle", TestSecureTrickle)
}

// held returns how many bytes of buffers each TLS connection holds, and the
// loops for lending.
func (s *testServer) held() (conns []int, lent int) {
	s.t.Helper()
	for _, l := range s.loops {
		done := make(chan struct{})
		l.post(command{kind: cmdFunc, run: func(l *loop) {
			defer close(done)
			lent = max(lent, l.lent.Cap())
			for slot := range l.slots.extent() {
				if c := l.conn(slot); c != nil && c.state != connFree {
					b, _ := buffersOf(l.secureOf(slot).tls)
					conns = append(conns, b.raw.Cap()+b.hand.Cap())
				}
			}
		}})
		<-done
	}
	return conns, lent
}

// What a client has sent leaves no buffer with it, part of a record only what
// that part needs; and the buffer that all share mixes nobody's bytes.
func TestSecureIdleHoldsNoBuffers(t *testing.T) {
	s := startSecure(t, &linux, func(c *Config) { c.OnMessage = OnMessageEcho; c.Loops = 1; c.PingInterval = 0 })
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	half, config := &halving{Conn: conn}, insecure()
	config.DynamicRecordSizingDisabled = true // a message is one record
	tc := tls.Client(half, config)
	slow, other := s.upgradeRaw(tc), s.dialSecure(insecure())
	for i := range 3 {
		half.on = true
		message := strings.Repeat(string(rune('a'+i)), 15_000)
		if _, err := tc.Write(codec.AppendMaskedFrame(nil, ws.OpText, []byte(message), [4]byte{1, 2, 3, 4})); err != nil {
			t.Fatal(err)
		}
		half.on = false
		if i == 2 {
			eventually(t, "the first half to have come", func() bool {
				conns, _ := s.held()
				return max(conns[0], conns[1]) >= len(half.rest)/2
			})
		}
		beside := strings.Repeat("#", 1000*i)
		if _, err := other.Write(codec.AppendMaskedFrame(nil, ws.OpText, []byte(beside), [4]byte{5, 6, 7, 8})); err != nil {
			t.Fatal(err)
		}
		other.expectText(beside)
		if _, err := conn.Write(half.rest); err != nil {
			t.Fatal(err)
		}
		slow.expectText(message)
	}
	conns, lent := s.held()
	if len(conns) != 2 || conns[0] != 0 || conns[1] != 0 {
		t.Errorf("idle connections hold %v bytes of buffers, want 0", conns)
	}
	if lent == 0 || lent > maxLent {
		t.Errorf("the loop keeps %d bytes for lending, want 1 to %d", lent, maxLent)
	}
}

// halving keeps the second half of what is written back while it is on.
type halving struct {
	net.Conn
	on   bool
	rest []byte
}

func (c *halving) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	c.rest = bytes.Clone(p[len(p)/2:])
	if _, err := c.Conn.Write(p[:len(p)/2]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// expectText reads one text frame.
func (c *rawClient) expectText(want string) {
	c.t.Helper()
	b := codec.AppendFrame(nil, ws.OpText, []byte(want))
	got := make([]byte, len(b))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, b) {
		c.t.Fatalf("%v, %d bytes that begin with %.20q, want %.20q", err, len(got), got, b)
	}
}
