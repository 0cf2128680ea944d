package stress

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
)

// attack is traffic that a stranger without a key may send, and that breaks no rule
// for which the gateway would close the connection at once.
type attack struct {
	name string
	// run sends up to rate bytes a second on connection number n until over is set.
	// It may block while the gateway does not read.
	run attackRun
	// prepare is not nil if an attacker needs something first, which is no part of the
	// attack. It returns run.
	prepare func(t *Trial, s *site) attackRun
}

type attackRun func(t *Trial, s *site, number int, over *atomic.Bool, rate int)

var attacks = []attack{
	{"tiny messages", ofClient(wstest.MaskedFrame(wstest.OpText, []byte("x")), nil), nil},
	{"empty messages", ofClient(wstest.MaskedFrame(wstest.OpBinary, nil), nil), nil},
	{"pings", ofClient(wstest.MaskedFrame(wstest.OpPing, nil), nil), nil},
	{"long pings", ofClient(wstest.MaskedFrame(wstest.OpPing, make([]byte, 125)), nil), nil},
	{"unsolicited pongs", ofClient(wstest.MaskedFrame(wstest.OpPong, nil), nil), nil},
	{"empty fragments", ofClient(wstest.AppendMasked(nil, wstest.OpContinuation, nil), wstest.AppendMasked(nil, wstest.OpText, nil)), nil},
	{"compressed bombs", bombs, nil},
	{"newlines", ofListener("text", []byte("\n")), nil},
	{"endless lines", ofListener("text", append(bytes.Repeat([]byte("x"), 60_000), '\n')), nil},
	{"empty counted messages", ofListener("frame", []byte{0, 0, 0, 4}), nil},
	{"heads of many fields", ofRequests(strings.Replace(wstest.Handshake, "\r\n\r\n", "\r\n"+strings.Repeat("a:\r\n", 7000)+"\r\n", 1)), nil},
	{"heads of one long field", ofRequests(strings.Replace(wstest.Handshake, "\r\n\r\n", "\r\nCookie: "+strings.Repeat("a=b; ", 6000)+"\r\n\r\n", 1)), nil},
	{"long queries", ofRequests(strings.Replace(wstest.Handshake, "GET /", "GET /?"+strings.Repeat("a=%41&", 5000), 1)), nil},
	{"unfinished heads", ofRequests("GET / HTTP/1.1\r\nHost: castgate\r\nX-Long: " + strings.Repeat("x", 20_000)), nil},
	{"connections without a request", ofRequests(strings.Repeat("\x00", 8000)), nil},
	{"control: wrong keys", ofControl("POST /v1/push HTTP/1.1\r\nHost: c\r\nX-API-Key: wrong\r\nContent-Length: 4000\r\n\r\n" + strings.Repeat("x", 4000)), nil},
	{"control: half requests", ofControl("POST /v1/push HTTP/1.1\r\nHost: c\r\nContent-Length: 4000\r\n\r\n" + strings.Repeat("x", 2000)), nil},
	{"control: silence", ofControl(""), nil},
	{"control: long heads", ofControl("GET /livez HTTP/1.1\r\nHost: c\r\n" + strings.Repeat("a: b\r\n", 2000) + "\r\n"), nil},
}

// attackerHost is where attackers come from; bystanders come from another address.
const attackerHost = "127.0.0.3"

// dialAttacker connects from there.
func dialAttacker(address string) (net.Conn, error) {
	// With the port chosen as it connects, ports in TIME_WAIT can be used for other addresses.
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(attackerHost)}, Control: withOption(unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)}
	return d.Dial("tcp", address)
}

// pace sends unit repeatedly, up to rate bytes a second, until over is set or the
// gateway closes. Data that does not fit into the socket waits.
func (s *site) pace(c net.Conn, unit []byte, rate int, over *atomic.Bool) {
	const step = 20 * time.Millisecond
	chunk := max(rate/int(time.Second/step), 1)
	wire := bytes.Repeat(unit, chunk/len(unit)+2)
	sent, begun := 0, time.Now()
	for !over.Load() {
		_ = c.SetWriteDeadline(time.Now().Add(step))
		at := sent % len(unit) // the last write may have ended within a unit
		n, err := c.Write(wire[at : at+chunk])
		sent += n
		s.attacked.Add(int64(n))
		if err != nil && n == 0 {
			if e, ok := err.(net.Error); !ok || !e.Timeout() {
				return
			}
		}
		if ahead := time.Duration(float64(sent)/float64(rate)*float64(time.Second)) - time.Since(begun); ahead > 0 {
			time.Sleep(min(ahead, step))
		}
	}
}

// drop closes a connection that nobody reads any more, with a reset.
func drop(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// ofClient sends begin and then a unit repeatedly as a WebSocket client.
func ofClient(unit, begin []byte) attackRun {
	return func(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		s.flood(t, wstest.Handshake, append([]byte(nil), begin...), unit, over, rate)
	}
}

// flood is a client that sends units and reads whatever it gets.
func (s *site) flood(t *Trial, head string, begin, unit []byte, over *atomic.Bool, rate int) {
	c, err := dialAttacker(s.Addr)
	t.Check(err == nil, "an attacker: %v", err)
	if err != nil {
		return
	}
	defer drop(c)
	s.expect(handshakesOK, 1)
	if _, err := c.Write([]byte(head)); err != nil {
		t.Check(false, "an attacker's handshake: %v", err)
		return
	}
	var one [1]byte
	_ = c.SetReadDeadline(time.Now().Add(wstest.Patience))
	_, err = c.Read(one[:])
	t.Check(err == nil, "an attacker's answer: %v", err)
	_ = c.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, c) }()
	_, _ = c.Write(begin)
	s.pace(c, unit, rate, over)
}

// bombs sends messages that inflate to 60 KB each.
func bombs(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = w.Write(make([]byte, 60_000))
	_ = w.Flush()
	frame := wstest.MaskedFrame(wstest.OpBinary, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
	frame[0] |= 0x40
	head := strings.Replace(wstest.Handshake, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n", 1)
	s.flood(t, head, nil, frame, over, rate)
}

// ofListener sends a unit repeatedly to a listener without handshake.
func ofListener(scheme string, unit []byte) attackRun {
	return func(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		c, err := dialAttacker(s.Listeners[scheme])
		t.Check(err == nil, "an attacker: %v", err)
		if err != nil {
			return
		}
		defer drop(c)
		s.expect(handshakesOK, 1)
		go func() { _, _ = io.Copy(io.Discard, c) }()
		s.pace(c, unit, rate, over)
	}
}

// ofRequests connects repeatedly, sends the same first bytes each time, stays for a
// moment and disconnects.
func ofRequests(request string) attackRun {
	whole := strings.HasSuffix(request, "\r\n\r\n")
	return again(func(s *site) string { return s.Addr }, request, func(s *site, answer []byte) {
		if whole && bytes.HasPrefix(answer, []byte("HTTP/1.1 101")) {
			s.expect(handshakesOK, 1)
		}
	})
}

// ofControl is ofRequests for the control port.
func ofControl(request string) attackRun {
	return again(func(s *site) string { return s.ControlAddr }, request, func(*site, []byte) {})
}

func again(address func(*site) string, request string, answered func(*site, []byte)) attackRun {
	return func(_ *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		// A connection costs the gateway more than its bytes.
		pause := time.Duration(float64(len(request)+1000) / float64(rate) * float64(time.Second))
		answer := make([]byte, 1<<10)
		for next := time.Now(); !over.Load(); next = next.Add(pause) {
			time.Sleep(min(time.Until(next), 100*time.Millisecond))
			if time.Now().Before(next) {
				next = next.Add(-pause)
				continue
			}
			c, err := dialAttacker(address(s))
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, request)
			s.attacked.Add(int64(len(request)))
			_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if strings.HasSuffix(request, "\r\n\r\n") {
				_ = c.SetReadDeadline(time.Now().Add(wstest.Patience))
			}
			n, _ := c.Read(answer)
			answered(s, answer[:n])
			drop(c)
		}
	}
}
