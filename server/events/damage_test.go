package events

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damaged is a queue's directory after a crash, with clients that were told connected,
// whose only file is changed.
func damaged(t *testing.T, b *backend, clients int, change func(text []byte) []byte) Config {
	t.Helper()
	c := config(b.url)
	c.Dir = filepath.Join(t.TempDir(), "events")
	e := start(t, c)
	for n := range clients {
		e.Connected(client(n+1), nil)
	}
	b.await(clients)
	dir := crashed(t, c.Dir)
	end(t, e)
	c.Dir = dir
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], change(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

// A file whose head is damaged has all its records still: whoever was told connected is
// told disconnected.
func TestDamagedHead(t *testing.T) {
	b, said := newBackend(t), &lines{}
	const clients = 10
	c := damaged(t, b, clients, func(text []byte) []byte {
		text[0] = 0xff
		return text
	})
	c.Log = slog.New(slog.NewTextHandler(said, nil))
	e := start(t, c)
	got := b.await(2 * clients)
	inOrder(t, got)
	for _, ev := range got[clients:] {
		if ev.Type != Disconnected.String() || ev.Data.Reason != reasonGatewayLost {
			t.Errorf("%s comes after the start, for the reason %q", ev.Type, ev.Data.Reason)
		}
	}
	if n := e.Backlog().Lost; n != 0 || !strings.Contains(said.String(), "the event log is damaged") {
		t.Errorf("%d events are lost, the log says %q", n, said)
	}
}

// A file that is lost whole is told and said.
func TestLostFile(t *testing.T) {
	for what, change := range map[string]func(text []byte) []byte{
		"zeros":   func(text []byte) []byte { return make([]byte, len(text)) },
		"nothing": func([]byte) []byte { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			b, said := newBackend(t), &lines{}
			c := damaged(t, b, 1, change)
			c.Log = slog.New(slog.NewTextHandler(said, nil))
			e := start(t, c)
			if ev := b.await(2)[1]; ev.Type != Lost.String() || ev.Data.Reason != "damaged" || ev.Data.Count != 1 {
				t.Errorf("%+v", ev)
			}
			if n := e.Backlog().Lost; n != 1 || !strings.Contains(said.String(), "the event log is damaged") {
				t.Errorf("%d events are lost, the log says %q", n, said)
			}
		})
	}
}
