package conformance

import (
	"context"
	"testing"

	"github.com/coder/websocket"

	"castgate/internal/wstest"
)

// TestSuiteNotices: a server that reads messages but does not echo them, and does
// not support compression, must fail the cases that ask for it. A suite that lets
// it pass shows nothing.
func TestSuiteNotices(t *testing.T) {
	g := wstest.Start(t, "--on-message", "ignore", "--init-message", "", "--max-message", "16MiB", "--log-level", "warn")
	tried := 0
	for i, c := range allCases() {
		wrong := c.agreed != "" || c.code == 0 && c.ended == 0 && len(c.echo) > 0
		if !wrong || i%10 != 0 {
			continue
		}
		if c.agreed == "" && c.echo[0].op == opPong {
			continue // pings, which it answers
		}
		tried++
		if got, _ := c.run(g.Addr); got != outcomeFailed {
			t.Errorf("%s %s: %s", c.number, c.name, got)
		}
	}
	if tried < 30 {
		t.Errorf("only %d cases tried", tried)
	}
}

// TestOtherClient checks the same server with a client that is not ours: it must
// read back what it wrote, with and without compression.
func TestOtherClient(t *testing.T) {
	g := wstest.Start(t, "--on-message", "echo", "--init-message", "", "--max-message", "16MiB", "--send-queue", "64MiB",
		"--compress", "--log-level", "warn")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, mode := range []websocket.CompressionMode{
		websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover,
	} {
		ws, _, err := websocket.Dial(ctx, "ws://"+g.Addr, &websocket.DialOptions{CompressionMode: mode, CompressionThreshold: 1})
		if err != nil {
			t.Fatal(err)
		}
		ws.SetReadLimit(-1)
		for _, n := range []int{0, 1, 125, 126, 1000, 65535, 65536, 1 << 20} {
			for _, c := range contents {
				kind := websocket.MessageText
				if c.op == opBinary {
					kind = websocket.MessageBinary
				}
				payload := c.make(n)
				if err := ws.Write(ctx, kind, payload); err != nil {
					t.Fatalf("mode %d, %s of %d bytes: %v", mode, c.name, n, err)
				}
				gotKind, got, err := ws.Read(ctx)
				if err != nil || gotKind != kind || string(got) != string(payload) {
					t.Fatalf("mode %d, %s of %d bytes: %v, %d bytes, %v", mode, c.name, n, gotKind, len(got), err)
				}
			}
		}
		if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Errorf("mode %d: %v", mode, err)
		}
	}
	m := g.Metrics()
	if m["castgate_messages_inflated_total"] == 0 || m["castgate_inflate_errors_total"] != 0 {
		t.Errorf("%v messages inflated, %v errors", m["castgate_messages_inflated_total"], m["castgate_inflate_errors_total"])
	}
}
