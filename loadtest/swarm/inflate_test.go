package swarm

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"castgate/codec"
	"castgate/loadtest/clock"
	"castgate/loadtest/internal/errtest"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/payload"
)

// compressing completes a handshake that agrees on compression, and passes the
// connection to serve after the init message.
func compressing(t *testing.T, extension string, serve func(net.Conn)) string {
	return gatewaytest.RawServer(t, func(c net.Conn) {
		key := gatewaytest.ReadRequest(c)
		var head bytes.Buffer
		gatewaytest.Accept(nopConn{c, &head}, key)
		answer := strings.TrimSuffix(head.String(), "\r\n") + extension + "\r\n"
		_, _ = io.WriteString(c, answer+gatewaytest.Frame(`{"client_id":"one"}`))
		serve(c)
	})
}

// nopConn writes elsewhere.
type nopConn struct {
	net.Conn
	w io.Writer
}

func (n nopConn) Write(b []byte) (int, error) { return n.w.Write(b) }

const agreed = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"

// Compressed messages that inflate to something too large, or are invalid, end
// the connection, and so does one without an agreement.
func TestInflateRefused(t *testing.T) {
	d := codec.NewDeflater(codec.MinDeflateLevel, 1)
	bomb := d.Frame(ws.OpText, bytes.Repeat([]byte("0"), 2<<20), codec.MaxWindowBits)
	small := d.Frame(ws.OpText, bytes.Repeat([]byte("0"), 1000), codec.MaxWindowBits)
	for name, c := range map[string]struct {
		extension string
		compress  bool
		frame     []byte
		want      string
	}{
		"too large":     {agreed, true, bomb, "too big"},
		"no deflate":    {agreed, true, []byte("\xc1\x04\xff\xff\xff\xff"), "the server broke the protocol"},
		"no text":       {agreed, true, d.Frame(ws.OpText, bytes.Repeat([]byte("\xff"), 100), codec.MaxWindowBits), "UTF-8"},
		"not agreed on": {"", true, small, "the server broke the protocol"},
		"not offered":   {agreed, false, small, "the server broke the protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			begin := make(chan struct{})
			url := compressing(t, c.extension, func(conn net.Conn) {
				<-begin
				_, _ = conn.Write(c.frame)
				_, _ = io.Copy(io.Discard, conn)
			})
			s := open(t, Config{URLs: []string{url}, Connections: 1, Compress: c.compress, MaxMessage: 1 << 20})
			close(begin)
			for s.Report().Open > 0 {
				time.Sleep(time.Millisecond)
			}
			errtest.Contains(t, s.Report().Err(), "1 of 1 connections were lost", c.want)
		})
	}
	url := compressing(t, "Sec-WebSocket-Extensions: permessage-deflate\r\n", func(net.Conn) {})
	_, err := Open(t.Context(), Config{URLs: []string{url}, Connections: 1, Compress: true})
	errtest.Contains(t, err, "opened 0 of 1", "extension that was not offered")
}

// Messages of every size arrive as they were sent, in one frame and in
// arbitrary fragments.
func TestInflate(t *testing.T) {
	d := codec.NewDeflater(codec.MinDeflateLevel, 1)
	begin := make(chan *Swarm, 1)
	sizes := []int{payload.MinSize, 300, 5000, 40_000, 3 << 20, 300}
	url := compressing(t, agreed, func(conn net.Conn) {
		s := <-begin
		for _, size := range sizes {
			b := s.Stream(0).Append(nil, 0, size, clock.Now())
			s.Stream(0).Commit(0)
			packed := d.Frame(ws.OpText, b, codec.MaxWindowBits)
			if packed == nil {
				packed = codec.AppendFrame(nil, ws.OpText, b) // the stamp alone is as short
			}
			for len(packed) > 0 {
				n := min(len(packed), 1000)
				_, _ = conn.Write(packed[:n])
				packed = packed[n:]
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	s := open(t, Config{URLs: []string{url}, Connections: 1, Compress: true, Padding: payload.Prices})
	begin <- s
	for got, _ := s.Delivered(); got < int64(len(sizes)); got, _ = s.Delivered() {
		time.Sleep(time.Millisecond)
	}
	if r := s.Report(); r.Err() != nil || r.Deflated == 0 || r.Deflated > uint64(len(sizes)) {
		t.Errorf("%+v, %v", r, r.Err())
	}
}
