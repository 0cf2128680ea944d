package transport

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// insecure is for clients that accept the test's certificates unseen.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// rig serves TLS clients that send plaintext and get it back. Its mutex takes the place
// of an event loop's goroutine.
type rig struct {
	t        testing.TB
	listener net.Listener
	pool     *Handshakes
	clock    int64 // ns; guarded by mu

	mu      sync.Mutex
	records Records
	served  []*served
	conns   sync.WaitGroup
}

// served is the server's side of a connection.
type served struct {
	Handshake
	rig       *rig
	socket    net.Conn
	conn      *Conn
	plaintext bytes.Buffer // from the client
	result    Result       // once ended is set
	ended     bool         // the handshake has
	err       error        // that ended the connection
	silent    bool         // nothing is sent back
}

// newRig serves with a certificate for localhost.
func newRig(t testing.TB) *rig {
	t.Helper()
	certs := NewCertificates(discard)
	p := wstest.NewAuthority(t).Issue("rig")
	if _, err := certs.Set([]string{p.Cert}, []string{p.Key}); err != nil {
		t.Fatal(err)
	}
	return newRigWith(t, certs)
}

func newRigWith(t testing.TB, certs *Certificates) *rig {
	t.Helper()
	r := &rig{t: t}
	r.records = NewRecords(func() int64 { return r.clock })
	began := time.Now()
	r.pool = NewHandshakes(certs.Config("1.2"), 4, 1, func() int64 { return int64(time.Since(began)) + 1 })
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	r.conns.Go(func() {
		for {
			socket, err := r.listener.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			o := &served{rig: r, socket: socket}
			o.conn = r.records.NewConn(r.pool, &o.Handshake, o)
			r.served = append(r.served, o)
			r.mu.Unlock()
			r.conns.Go(o.read)
		}
	})
	t.Cleanup(func() {
		_ = r.listener.Close()
		r.mu.Lock()
		for _, o := range r.served {
			o.conn.Abandon()
			_ = o.socket.Close()
		}
		r.mu.Unlock()
		r.conns.Wait()
		r.pool.Wait()
	})
	return r
}

// dial is a TCP connection to the rig, and the rig's side of it.
func (r *rig) dial() (net.Conn, *served) {
	r.t.Helper()
	r.mu.Lock()
	n := len(r.served)
	r.mu.Unlock()
	c, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(wstest.Patience))
	r.await("the connection", func() bool { return len(r.served) > n })
	r.mu.Lock()
	defer r.mu.Unlock()
	return c, r.served[n]
}

// await waits until a condition on what mu guards holds.
func (r *rig) await(what string, holds func() bool) {
	r.t.Helper()
	wstest.Await(r.t, func() string {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !holds() {
			return "waiting for " + what
		}
		return ""
	})
}

// read takes up what the client sends, until it has ended.
func (o *served) read() {
	defer func() { _ = o.socket.Close() }()
	b := make([]byte, 16<<10)
	for {
		n, err := o.socket.Read(b)
		if err != nil {
			return
		}
		if !o.take(b[:n]) {
			return
		}
	}
}

// take takes up bytes; false if the connection has ended.
func (o *served) take(b []byte) bool {
	o.rig.mu.Lock()
	defer o.rig.mu.Unlock()
	switch {
	case o.conn.Dead():
		return false
	case o.conn.Handshaking():
		f := o.conn.Feed(b)
		if f.Refused {
			o.result, o.ended = f.Why, true
			o.conn.Abandon()
			o.conn.Send(f.Why.LastWords())
		}
		if o.flush(); f.Ended {
			return o.end(f.Err)
		}
		return !f.Refused
	}
	return o.open(b)
}

// open is what a loop does with ciphertext. The caller holds mu.
func (o *served) open(b []byte) bool {
	r := &o.rig.records
	defer r.Finish(o.conn, r.Begin(o.conn, b))
	for more := true; more; {
		p := r.Open(o.conn)
		more = p.More
		o.plaintext.Write(p.Plaintext)
		if !o.silent && len(p.Plaintext) > 0 {
			o.send(p.Plaintext)
		}
		o.flush()
		if o.err = p.Err; o.err == nil {
			o.err = o.conn.Overfull()
		}
		if o.err != nil {
			return false
		}
	}
	return true
}

// send seals plaintext and writes it. The caller holds mu.
func (o *served) send(plaintext []byte) {
	plaintext = bytes.Clone(plaintext)
	for len(plaintext) > 0 {
		o.flush()
		sealed, err := o.rig.records.Seal(o.conn, plaintext)
		if err != nil {
			o.err = err
			return
		}
		n, _ := o.socket.Write(sealed)
		done, all := o.conn.Sent(sealed, n)
		if !all {
			return
		}
		plaintext = plaintext[done:]
	}
}

// flush writes what is unsent. The caller holds mu.
func (o *served) flush() {
	if b := o.conn.Unsent(); len(b) > 0 {
		n, _ := o.socket.Write(b)
		o.conn.Sent(b, n)
	}
}

// Say implements Owner.
func (o *served) Say(out []byte) (sent bool) {
	n, _ := o.socket.Write(out)
	return n == len(out)
}

// ReadOn implements Owner.
func (o *served) ReadOn() {}

// Done implements Owner.
func (o *served) Done(err error) {
	o.rig.mu.Lock()
	defer o.rig.mu.Unlock()
	if !o.end(err) {
		_ = o.socket.Close()
	}
}

// end takes the connection back; false if it has ended. The caller holds mu.
func (o *served) end(err error) bool {
	out := o.conn.EndHandshake(err)
	o.result, o.ended = out.Result, true
	o.conn.Send(out.Out)
	o.flush()
	if !out.Done {
		o.conn.Abandon()
		return false
	}
	return o.open(out.Rest)
}

// held is how many bytes of buffers a connection holds. The caller holds mu.
func (o *served) held() int {
	in, _ := internalsOf(o.conn.tls)
	return in.raw.Cap() + in.hand.Cap()
}
