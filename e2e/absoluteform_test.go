package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// A server must accept an absolute URI as the target (RFC 9112 section 3.2.2):
// proxies and some probes send one.
func TestAbsoluteForm(t *testing.T) {
	g := wstest.Start(t)
	for _, tt := range []struct {
		addr, request string
		status        int
	}{
		{g.Addr, "GET http://gateway.example/healthz HTTP/1.1\r\nHost: gateway.example\r\n\r\n", 200},
		{g.Addr, "HEAD HTTP://gateway.example:7272/healthz?probe HTTP/1.1\r\nHost: other\r\n\r\n", 200},
		{g.Addr, "GET https://[::1]/healthz HTTP/1.0\r\n\r\n", 200},
		{g.Addr, "GET http://gateway.example/health HTTP/1.1\r\nHost: gateway.example\r\n\r\n", 400},
		{g.Addr, "GET http://gateway.example" + wstest.Handshake[len("GET /"):], 101},
		{g.Addr, "GET http://gateway.example:7272/?a=b" + wstest.Handshake[len("GET /"):], 101},
		{g.ControlAddr, "GET http://gateway.example/livez HTTP/1.1\r\nHost: gateway.example\r\n\r\n", 200},
		{g.ControlAddr, "GET http://" + g.ControlAddr + "/v1/stats HTTP/1.1\r\nHost: " + g.ControlAddr + "\r\n\r\n", 200},
		{g.ControlAddr, fmt.Sprintf("POST http://%s/v1/online HTTP/1.1\r\nHost: %[1]s\r\nContent-Length: 12\r\n\r\n{\"uids\":[]}\n", g.ControlAddr), 200},
		{g.ControlAddr, "GET http://localhost/v1/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
	} {
		c, err := net.Dial("tcp", tt.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(wstest.Patience))
		if _, err := io.WriteString(c, tt.request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%q: %v", tt.request, err)
		}
		if resp.StatusCode != tt.status {
			t.Errorf("%q: %d, want %d", tt.request, resp.StatusCode, tt.status)
		}
		_ = c.Close()
	}
}
