package control

import (
	"io"
	"net"
	"testing"
	"time"
)

// A caller that reads nothing of its answer is cut off.
func TestSteadyPort(t *testing.T) {
	p := start(t, func(c *Config) { c.WriteTimeout = time.Second })
	p.fake.rows = 1 << 20
	conn, err := net.Dial("tcp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(8 << 10)
	if _, err := io.WriteString(conn, "GET /v1/clients HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); p.open() == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	for end := time.Now().Add(patience); p.open() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who reads nothing is not cut off")
		}
	}
}
