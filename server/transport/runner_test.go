package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"castgate/internal/wstest"
)

// meet has a client make its handshake with p. ended is whether Feed has seen the end, told
// whether Done has.
func meet(t *testing.T, p *Handshakes, client *tls.Config) (ended, told bool) {
	t.Helper()
	o := newPeer(p)
	near, far := net.Pipe()
	c := tls.Client(far, client)
	shaken := make(chan error, 1)
	go func() { shaken <- c.Handshake() }()
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			b := make([]byte, 4096)
			n, err := near.Read(b)
			if err != nil {
				return
			}
			chunks <- b[:n]
		}
	}()
	defer func() { // in any order, since a pipe has no buffer
		near.Close()
		for range chunks {
		}
		<-shaken
	}()
	send := func(b []byte) { go func() { _, _ = near.Write(b) }() }
	for {
		select {
		case b := <-chunks:
			f := o.conn.Feed(b)
			if f.Refused {
				t.Fatal(f.Why)
			}
			if f.Ended {
				if got := o.conn.EndHandshake(f.Err); !got.Done {
					t.Fatalf("%v: %+v", f.Err, got)
				}
				return true, len(o.done) > 0
			}
		case b := <-o.said:
			wstest.Await(t, func() string { // a faster answer is the worker's, too
				if o.waits.Load() == 0 {
					return "waiting until the handshake waits for its peer"
				}
				return ""
			})
			send(b)
		case err := <-o.done:
			if got := o.conn.EndHandshake(err); !got.Done {
				t.Fatalf("%v: %+v", err, got)
			}
			return false, true
		}
	}
}

// What is left of a handshake of TLS 1.3 after our certificate is done where its bytes
// come in. What takes longer is a worker's.
func TestWhereHandshakesEnd(t *testing.T) {
	server := func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{certificate(t)}} }
	for name, c := range map[string]struct {
		client *tls.Config
		change func(*tls.Config)
		fed    bool
	}{
		"TLS 1.3":                     {client: insecure(), fed: true},
		"after a second ClientHello":  {client: insecure(), change: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }, fed: true},
		"TLS 1.2":                     {client: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}},
		"a certificate of the client": {client: insecure(), change: func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }},
	} {
		config := server()
		if c.change != nil {
			c.change(config)
		}
		p := NewHandshakes(config, 2, 1, func() int64 { return 1 })
		for range 2 { // the second one has the runner of the first, or a new one
			if ended, told := meet(t, p, c.client); ended != c.fed || told == c.fed {
				t.Errorf("%s: ended in Feed %v, told by Done %v, want it in Feed: %v", name, ended, told, c.fed)
			}
		}
		p.Wait()
		if p.mu.Lock(); len(p.spare) > 0 || len(p.active) > 0 {
			t.Errorf("%s: %d runners wait, %d handshakes are under way", name, len(p.spare), len(p.active))
		}
		p.mu.Unlock()
	}
}

// Nothing is said for a connection that is gone: its descriptor may be another's.
func TestNothingSaidAfterAbandon(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	cert := certificate(t)
	p := NewHandshakes(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		close(begun)
		<-goOn
		return &cert, nil
	}}, 1, 1, func() int64 { return 1 })
	o := newPeer(p)
	o.conn.Feed(firstMessage(t))
	<-begun
	o.conn.Abandon()
	close(goOn)
	if err := <-o.done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if len(o.said) > 0 {
		t.Errorf("%d bytes were said", len(<-o.said))
	}
	p.Wait()
}

// The runners that wait while others work are bounded.
func TestSpareRunners(t *testing.T) {
	p := NewHandshakes(&tls.Config{Certificates: []tls.Certificate{certificate(t)}}, 4*maxSpare, 1, func() int64 { return 1 })
	hello := firstMessage(t)
	var peers []*peer
	for range 2 * maxSpare {
		o := newPeer(p)
		o.conn.Feed(hello)
		peers = append(peers, o)
	}
	for i, o := range peers {
		<-o.said
		o.conn.Abandon()
		if err := <-o.done; !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		p.mu.Lock()
		spare, most := len(p.spare), min(i+1, maxSpare)
		if i == len(peers)-1 {
			most = 0
		}
		if spare > most {
			t.Errorf("%d runners wait, want at most %d", spare, most)
		}
		p.mu.Unlock()
	}
	p.Wait()
}

func TestIsSealed(t *testing.T) {
	hello, change, data := "\x16\x03\x03\x00\x01x", "\x14\x03\x03\x00\x01\x01", "\x17\x03\x03\x00\x02xy"
	for out, want := range map[string]bool{
		"": false, hello: false, hello + change: false, hello + change + data: true, data + hello: false, data[:3]: false, data[:6]: true,
	} {
		if got := isSealed([]byte(out)); got != want {
			t.Errorf("%q: %v", out, got)
		}
	}
}
