package server

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"castgate/codec"
	"castgate/codec/codectest"
	"castgate/server/kernel"
	"castgate/server/loop"
	"castgate/server/token/tokentest"
)

// pieceConn sends what is written before the next read in pieces of random sizes,
// or all at once: so that a client's last words of the handshake, its request and
// its first frames come together, cut anywhere.
type pieceConn struct {
	net.Conn
	waiting bytes.Buffer
	random  *rand.Rand // nil: all at once
}

func (p *pieceConn) Write(b []byte) (int, error) { return p.waiting.Write(b) }

func (p *pieceConn) Read(b []byte) (int, error) {
	if err := p.flush(); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p *pieceConn) flush() error {
	for p.waiting.Len() > 0 {
		n := p.waiting.Len()
		if p.random != nil {
			n = min(n, 1+p.random.IntN(1<<p.random.IntN(16)))
		}
		if _, err := p.Conn.Write(p.waiting.Next(n)); err != nil {
			return err
		}
	}
	return nil
}

// The largest head and frames right behind it are served over TLS, too, however
// they come: with the end of the TLS handshake in one write, or in pieces; with a
// token to be checked or without.
func TestSealedHeadsAndFrames(t *testing.T) {
	s := startSecure(t, &kernel.Linux, func(c *Config) {
		c.OnMessage, c.InitMessage, c.MaxHandshake = loop.OnMessageEcho, "", codec.MaxHandshake
		c.JWT.Keys = tokentest.Keys(t)
	})
	token := "Sec-WebSocket-Protocol: castgate, bearer." + tokentest.Sign(t, jwt.MapClaims{"sub": "alice"}) + "\r\n"
	behind := codectest.TextMessages(40, 4000)
	var want []byte // what is echoed: the same frames without masks
	for rest := behind; len(rest) > 0; {
		h, n, err := codec.ParseHeader(rest)
		if err != nil {
			t.Fatal(err)
		}
		want = codec.AppendFrame(want, h.OpCode, rest[n:n+int(h.Length)])
		rest = rest[n+int(h.Length):]
	}
	for round := range 24 {
		raw := s.dialTCP()
		conn := &pieceConn{Conn: raw}
		if round >= 4 {
			conn.random = rand.New(rand.NewPCG(uint64(round), 1))
		}
		config := insecure()
		if round%4 == 3 {
			config.MaxVersion = tls.VersionTLS12
		}
		head := codectest.Head(codec.MaxHandshake, "")
		if round%2 == 1 {
			head = codectest.Head(codec.MaxHandshake, token)
		}
		c := tls.Client(conn, config)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(append(head, behind...)); err != nil {
			t.Fatal(err)
		}
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("round %d: %+v, %v", round, resp, err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("round %d: %v", round, err)
		}
		_ = raw.Close()
	}
	if st := s.stats(); st.Handshakes["ok"] != 24 || st.TLSHandshakes["too_large"] != 0 {
		t.Errorf("%v, %v", st.Handshakes, st.TLSHandshakes)
	}
}
