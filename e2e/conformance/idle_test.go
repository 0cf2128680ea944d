package conformance

import (
	"bufio"
	"math"
	"net"
	"testing"

	"castgate/internal/wstest"
)

// TestIdleCostsNoWindow: a client that has negotiated compression, and has sent and
// received a compressed message, costs no more when idle than any other client.
func TestIdleCostsNoWindow(t *testing.T) {
	if wstest.RaceEnabled {
		t.Skip("the race detector's own memory would be counted")
	}
	const clients = 3000
	g := wstest.Start(t, "--on-message", "echo", "--init-message", "", "--compress", "--ping-interval", "0")
	none := g.SettledPSS(math.MaxInt)
	c := testCase{offer: offerDeflate, agreed: agreedDeflate}
	packed := frame(fin|rsv1|opText, deflate([]byte(filler(1000))))
	for range clients {
		conn, err := net.DialTimeout("tcp", g.Addr, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		p := &peer{conn: conn, in: bufio.NewReaderSize(conn, 1024)}
		if err := c.handshake(p); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(packed); err != nil {
			t.Fatal(err)
		}
		if m, err := p.next(); err != nil || m.payload != filler(1000) || !m.packed {
			t.Fatalf("%d bytes, compressed %v, %v", len(m.payload), m.packed, err)
		}
	}
	idle := g.SettledPSS(none + clients<<10)
	each := (idle - none) / clients
	t.Logf("%d bytes per client: PSS %d without clients, %d with %d", each, none, idle, clients)
	if each > 1024 {
		t.Errorf("an idle client costs %d bytes, more than 1024", each)
	}
	if n := g.Metrics()["castgate_compressed_connections"]; n != clients {
		t.Errorf("%v compressed connections", n)
	}
}
