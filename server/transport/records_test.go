package transport

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

var versionsTested = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// eachVersion runs a test with TLS 1.2 and 1.3.
func eachVersion(t *testing.T, run func(*testing.T, uint16)) {
	for _, version := range versionsTested {
		t.Run(tls.VersionName(version), func(t *testing.T) { run(t, version) })
	}
}

// echo sends a text and expects it back.
func echo(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	expect(t, c, text)
}

// expect reads a text.
func expect(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%v: %d bytes that begin with %.20q, want %d with %.20q", err, len(got), got, len(want), want)
	}
}

// trickle sends a byte at a time.
type trickle struct{ net.Conn }

// Write implements net.Conn.
func (c trickle) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// Everything works, with a tls.Conn's own buffers as with lent ones: data of any
// length, pieces of any length, records of one byte in the handshake and behind it.
func TestRecords(t *testing.T) {
	run := func(t *testing.T) {
		r := newRig(t)
		eachVersion(t, func(t *testing.T, version uint16) {
			config := insecure()
			config.MaxVersion = version
			for _, cut := range []bool{false, true} {
				conn, o := r.dial()
				crumbs := &crumbled{Conn: conn}
				wire := net.Conn(crumbs)
				if cut {
					wire = trickle{conn}
				}
				c := tls.Client(wire, config)
				echo(t, c, "hello")
				echo(t, trickle{c}, "a record for each byte")
				if !cut {
					if crumbs.records < 150 {
						t.Errorf("only %d records of one byte", crumbs.records)
					}
					echo(t, c, strings.Repeat("0123456789abcdef", 20_000))
				}
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				r.await("the end", func() bool { return o.err == io.EOF })
				if o.result != Full {
					t.Errorf("the handshake is %v", o.result)
				}
			}
		})
	}
	run(t)
	t.Run("own buffers", func(t *testing.T) {
		forgetInternals(t) // undone behind the rig's end
		run(t)
	})
}

// What a client has sent leaves no buffer with it, and part of a record only what that
// part needs. The buffer that all share mixes nobody's bytes.
func TestIdleConnectionsHoldNoBuffers(t *testing.T) {
	r := newRig(t)
	conn, o := r.dial()
	half, config := &halving{Conn: conn}, insecure()
	config.DynamicRecordSizingDisabled = true // a message is one record
	c := tls.Client(half, config)
	otherConn, p := r.dial()
	other := tls.Client(otherConn, insecure())
	echo(t, c, "x")
	for i := range 3 {
		half.on = true
		message := strings.Repeat(string(rune('a'+i)), 15_000)
		if _, err := c.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		half.on = false
		if i == 2 {
			r.await("the first half", func() bool { return o.held() >= len(half.rest)/2 })
		}
		echo(t, other, strings.Repeat("#", 1000*i+1))
		if _, err := conn.Write(half.rest); err != nil {
			t.Fatal(err)
		}
		expect(t, c, message)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.held() != 0 || p.held() != 0 {
		t.Errorf("idle connections hold %d and %d bytes of buffers, want 0", o.held(), p.held())
	}
	if lent := r.records.lent.Cap(); lent == 0 || lent > maxLent {
		t.Errorf("%d bytes are kept for lending, want 1 to %d", lent, maxLent)
	}
}

// halving keeps the second half of what is written back while it is on.
type halving struct {
	net.Conn
	on   bool
	rest []byte
}

// Write implements net.Conn.
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

// A handshake message that a client begins and never ends is not kept: crypto/tls would
// take a quarter of a megabyte of it.
func TestUnfinishedHandshakeMessages(t *testing.T) {
	endless := append([]byte{11, 4, 0, 0}, make([]byte, maxRecord-4)...) // a Certificate of 256 KiB
	eachVersion(t, func(t *testing.T, version uint16) {
		r := newRig(t)
		atOnce, a := r.dialSealing(version)
		slow, o := r.dialSealing(version)
		if err := atOnce.say(endless); err != nil {
			t.Fatal(err)
		}
		r.await("the client that sent much at once to be closed", func() bool { return a.err == errLongMessage })
		for i := 0; i < maxHand; i += 64 {
			if err := slow.say(endless[i : i+64]); err != nil {
				t.Fatal(err)
			}
		}
		var holds int
		r.await("the slow client's bytes", func() bool { holds = o.held(); return holds >= maxHand })
		if holds > 4*maxHand {
			t.Errorf("a client holds %d bytes of buffers for %d of a message", holds, maxHand)
		}
		r.mu.Lock()
		if o.err != nil {
			t.Errorf("a client that can still finish its message is closed: %v", o.err)
		}
		r.mu.Unlock()
		if err := slow.say([]byte{0}); err != nil {
			t.Fatal(err)
		}
		r.await("the slow client to be closed", func() bool { return o.err == errLongMessage })
	})
}

// A request of TLS 1.2 to renegotiate is refused with an alert, also if it comes in pieces.
func TestRenegotiation(t *testing.T) {
	r := newRig(t)
	for _, size := range []int{1 << 14, 250} {
		c, o := r.dialSealing(tls.VersionTLS12)
		hello := append([]byte{1, 0, 3, 0}, make([]byte, 3<<8)...) // crypto/tls looks at no extension
		copy(hello[4:], []byte{3, 3})
		for len(hello) > 0 {
			n := min(len(hello), size)
			if err := c.say(hello[:n]); err != nil {
				t.Fatal(err)
			}
			hello = hello[n:]
		}
		var alert *net.OpError
		if _, err := c.tls.Read(make([]byte, 1)); !errors.As(err, &alert) || alert.Op != "remote error" {
			t.Errorf("in pieces of %d: %v, not an alert", size, err)
		}
		r.await("the connection to end", func() bool { return o.err != nil && o.err != io.EOF })
	}
}

// Clients may update their keys, but not all the time: each update costs a loop ten times
// what a message does.
func TestKeyUpdates(t *testing.T) {
	r := newRig(t)
	c, o := r.dialSealing(tls.VersionTLS13)
	o.silent = true
	update := func() {
		t.Helper()
		c.rekey()
		if _, err := c.tls.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	taken := 0
	come := func() {
		t.Helper()
		taken++
		r.await("the message", func() bool { return o.plaintext.Len() == taken || o.err != nil })
	}
	for range rekeyBurst {
		update()
		come()
	}
	if o.err != nil {
		t.Fatalf("closed after %d key updates: %v", rekeyBurst, o.err)
	}
	r.mu.Lock()
	r.clock += int64(rekeyEvery)
	r.mu.Unlock()
	update()
	come()
	if o.err != nil {
		t.Fatalf("closed although %v have passed: %v", rekeyEvery, o.err)
	}
	update()
	r.await("the flood to be closed", func() bool { return o.err == errRekeys })
}

// What TLS itself has to say to a peer that does not read is limited.
func TestOverfull(t *testing.T) {
	c := &Conn{}
	c.Send(make([]byte, maxUnsent))
	if err := c.Overfull(); err != nil {
		t.Error(err)
	}
	if c.Send([]byte{0}); c.Overfull() == nil {
		t.Errorf("more than %d bytes wait", maxUnsent)
	}
}

// A socket takes as much as it likes. What it does not take is kept once, and the
// plaintext counts when the last byte of its records is written.
func TestPartialWrites(t *testing.T) {
	r := newRig(t)
	conn, o := r.dial()
	c := tls.Client(conn, insecure())
	echo(t, c, "x")
	plaintext := []byte(strings.Repeat("castgate", 3*SealLen/8))
	r.mu.Lock()
	sealed, err := r.records.Seal(o.conn, plaintext)
	if err != nil || o.conn.Sealed() != SealLen {
		t.Fatalf("%d bytes are sealed, want %d: %v", o.conn.Sealed(), SealLen, err)
	}
	wire := bytes.Clone(sealed)
	if n, all := o.conn.Sent(sealed, 100); all || n != 0 {
		t.Errorf("%d bytes of plaintext are written with the first 100 of %d", n, len(wire))
	}
	clear(sealed) // others use it
	for b := o.conn.Unsent(); len(b) > 0; b = o.conn.Unsent() {
		if want := wire[len(wire)-len(b):]; !bytes.Equal(b, want) {
			t.Fatalf("%d bytes that are kept are others", len(b))
		}
		n := min(len(b), 10_000)
		if done, all := o.conn.Sent(b, n); all != (n == len(b)) || all && done != SealLen {
			t.Errorf("%d of %d bytes taken: %d, %v", n, len(b), done, all)
		}
	}
	if o.conn.Sealed() != 0 {
		t.Errorf("%d bytes are still sealed", o.conn.Sealed())
	}
	_, _ = o.socket.Write(wire)
	r.mu.Unlock()
	expect(t, c, string(plaintext[:SealLen]))
	r.mu.Lock()
	defer r.mu.Unlock()
	if !o.conn.CanSeal() {
		t.Error("nothing can be sealed although nothing has ended")
	}
	_, _ = o.socket.Write(r.records.SealClose(o.conn))
	if o.conn.CanSeal() {
		t.Error("something can be sealed behind close_notify")
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want the end", err)
	}
}

// A connection that is abandoned in its handshake says so once.
func TestAbandon(t *testing.T) {
	r := newRig(t)
	_, o := r.dial()
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.conn.Dead() || !o.conn.Handshaking() {
		t.Error("a new connection is not in its handshake")
	}
	if !o.conn.Abandon() || o.conn.Abandon() || !o.conn.Dead() {
		t.Error("abandoned never, or twice")
	}
	if o.conn.CanSeal() {
		t.Error("something can be sealed without a handshake")
	}
}
