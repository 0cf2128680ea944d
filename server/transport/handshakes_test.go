package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"slices"
	"testing"
	"time"
)

// Who waits for a processor, and not for its peer, has patience of 0.
func TestPatience(t *testing.T) {
	var h Handshake
	h.waited.Store(int64(3 * time.Second))
	if p := h.hasWaited(int64(time.Hour)); p != 0 {
		t.Errorf("%v while it does not wait", p)
	}
	h.waits.Store(int64(time.Second))
	if p := h.hasWaited(int64(3 * time.Second)); p != 5*time.Second {
		t.Errorf("%v, want 5s", p)
	}
}

// More than may wait are refused.
func TestQueueIsBounded(t *testing.T) {
	p := NewHandshakes(&tls.Config{}, 1, 1, func() int64 { return 1 })
	p.active[new(Handshake)] = struct{}{}
	for range maxQueue {
		if !p.submit(new(Handshake)) {
			t.Fatal("refused below the limit")
		}
	}
	if p.submit(new(Handshake)) {
		t.Error("taken above the limit")
	}
	p.mu.Lock()
	p.timer.Stop()        // there is no owner
	p.queue[7].end(false) // its connection is gone
	p.mu.Unlock()
	if !p.submit(new(Handshake)) {
		t.Error("refused although one has gone")
	}
	if active, waiting := p.Count(); active != 1 || waiting != maxQueue {
		t.Errorf("%d are under way and %d wait, want 1 and %d", active, waiting, maxQueue)
	}
	var h Handshake
	if n, _ := h.give(make([]byte, maxAhead+1)); n != maxAhead+1 || h.isFull() {
		t.Error("it is full before there is anybody to take anything")
	}
	if h.submitted = true; !h.isFull() {
		t.Error("what waits for a worker is not bounded")
	}
}

// peer is the Owner of a handshake whose peer a test plays.
type peer struct {
	Handshake
	conn   *Conn
	said   chan []byte
	readOn chan struct{}
	done   chan error
}

func newPeer(p *Handshakes) *peer {
	o := &peer{said: make(chan []byte, 16), readOn: make(chan struct{}, 1024), done: make(chan error, 1)}
	records := NewRecords(func() int64 { return 1 })
	o.conn = records.NewConn(p, &o.Handshake, o)
	return o
}

func (o *peer) Say(out []byte) bool { o.said <- slices.Clone(out); return true }
func (o *peer) ReadOn()             { o.readOn <- struct{}{} }
func (o *peer) Done(err error)      { o.done <- err }

// firstMessage is the first message of a client of TLS 1.2, whose next ones are in
// the clear.
func firstMessage(t *testing.T) (hello []byte) {
	t.Helper()
	c := tls.Client(scribe{to: &hello}, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err := c.Handshake(); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	return hello
}

// scribe notes what is written and has nothing to read.
type scribe struct {
	net.Conn
	to *[]byte
}

func (s scribe) Write(b []byte) (int, error) { *s.to = append(*s.to, b...); return len(b), nil }
func (s scribe) Read([]byte) (int, error)    { return 0, net.ErrClosed }

// certificate is one that a client without judgement takes.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A handshake begins with a whole ClientHello, and does not take a message
// without end, however it comes.
func TestEndlessMessage(t *testing.T) {
	p := NewHandshakes(&tls.Config{Certificates: []tls.Certificate{certificate(t)}}, 1, 1, func() int64 { return 1 })
	o := newPeer(p)
	hello := firstMessage(t)
	for i := range hello {
		if active, _ := p.Count(); active != 0 {
			t.Fatalf("begun after %d bytes of a ClientHello of %d", i, len(hello))
		}
		if f := o.conn.Feed(hello[i : i+1]); f.Refused {
			t.Fatal("refused:", f.Why)
		}
	}
	<-o.said
	sent := len(hello)
	message := append([]byte{22, 3, 3, 4, 0, 11, 4, 0, 0}, make([]byte, 1020)...) // a Certificate of 256 KiB
	var err error
	for over := false; !over && sent < 4*maxInput; {
		if o.conn.Feed(message).Refused {
			t.Fatal("refused after it has begun")
		}
		sent += len(message)
		message = append([]byte{22, 3, 3, 4, 0}, make([]byte, 1024)...)
		for taken := false; !taken && !over; {
			select {
			case err = <-o.done:
				over = true
			case <-time.After(time.Millisecond):
				o.mu.Lock()
				taken = o.taken >= sent && len(o.in) == 0 && o.waits.Load() != 0
				o.mu.Unlock()
			}
		}
	}
	if got := o.conn.EndHandshake(err); got.Result != TooLarge || got.Done || string(got.Out) != string(Refused) {
		t.Errorf("%v: %+v", err, got)
	}
	if sent > maxInput+2*len(message) {
		t.Errorf("%d bytes were taken", sent)
	}
	p.Wait()
}

// What is no ClientHello gets no goroutine but an answer.
func TestRefusals(t *testing.T) {
	p := NewHandshakes(&tls.Config{}, 1, 1, func() int64 { return 1 })
	for first, want := range map[string]Result{
		"GET / HTTP/1.1\r\n": Plaintext, "x": Garbage, "\x16\x03\x01\x40\x00\x01\x00\x3f\xf0" + string(make([]byte, maxInput)): TooLarge,
	} {
		f := newPeer(p).conn.Feed([]byte(first))
		if !f.Refused || f.Why != want {
			t.Errorf("%.20q: %+v, want %v", first, f, want)
		}
		if words := string(f.Why.LastWords()); (words == string(SpeaksTLS)) != (want == Plaintext) || words == "" {
			t.Errorf("%.20q is told %q", first, words)
		}
	}
	if active, waiting := p.Count(); active+waiting != 0 {
		t.Errorf("%d are under way, %d wait", active, waiting)
	}
}

// A panic in crypto/tls, or in what it calls, ends one handshake.
func TestDefect(t *testing.T) {
	p := NewHandshakes(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("here") }}, 1, 1, func() int64 { return 1 })
	o := newPeer(p)
	o.conn.Feed(firstMessage(t))
	err := <-o.done
	var d *Defect
	if !errors.As(err, &d) || d.Panic != "here" || len(d.Stack) == 0 || o.conn.EndHandshake(err).Result != Failed {
		t.Errorf("%v", err)
	}
	p.Wait()
}
