package control

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"
)

// BenchmarkUnicast pushes to one uid over 64 keep-alive connections, and sends
// the same requests to a fasthttp handler that does nothing: the ratio of the
// two is what the control port may cost.
func BenchmarkUnicast(b *testing.B) {
	body := `{"to":{"uids":["user-4711"]},"text":"{\"type\":\"chat\",\"body\":\"hello\"}"}`
	push := fmt.Sprintf("POST /v1/push HTTP/1.1\r\nHost: control\r\nX-API-Key: first-key\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	b.Run("noop", func(b *testing.B) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		s := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("{}") }}
		go func() { _ = s.Serve(ln) }()
		defer func() { _ = s.Shutdown() }()
		hammer(b, ln.Addr().String(), push)
	})
	b.Run("push", func(b *testing.B) {
		c := Defaults()
		c.Listen, c.Keys = "127.0.0.1:0", []string{"first-key"}
		s, err := New(&quickGateway{}, c)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Listen(); err != nil {
			b.Fatal(err)
		}
		go func() { _ = s.Serve() }()
		defer func() { _ = s.Shutdown(b.Context()) }()
		hammer(b, s.Addr().String(), push)
	})
}

// hammer sends b.N requests over 64 connections, each after the answer to the
// previous one.
func hammer(b *testing.B, addr, request string) {
	const conns = 64
	var wg sync.WaitGroup
	var failed sync.Once
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		n := b.N / conns
		if i < b.N%conns {
			n++
		}
		wg.Go(func() {
			in := bufio.NewReader(c)
			for range n {
				if err := ask(c, in, request); err != nil {
					failed.Do(func() { b.Error(err) })
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// ask reads an answer with as little work as possible.
func ask(c net.Conn, in *bufio.Reader, request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !strings.HasPrefix(string(line), "HTTP/1.1 200") {
			return fmt.Errorf("%s (want %d)", line, http.StatusOK)
		}
		if len(line) == 2 {
			_, err := in.Discard(length)
			return err
		}
		_, _ = fmt.Sscanf(string(line), "Content-Length: %d", &length)
	}
}
