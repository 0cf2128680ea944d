package gateway

import (
	"io"
	"os"
	"strings"
	"testing"

	"castgate/internal/wstest"
	"castgate/loadtest/swarm"
)

func TestMain(m *testing.M) { os.Exit(wstest.Main(m)) }

// The gateway reports what a swarm has made of it.
func TestWeigh(t *testing.T) {
	t.Setenv("CASTGATE_LISTEN", "nonsense") // the user's own
	addrs, err := FreeAddrs(3)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Start(t.Context(), Options{
		Binary: wstest.Build(t), Listen: addrs[:2], Control: addrs[2], Flags: []string{"--loops", "1"}, Callers: 2, Output: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := g.Weigh(t.Context(), "empty")
	if err != nil {
		t.Fatal(err)
	}
	s, err := swarm.Open(t.Context(), swarm.Config{URLs: []string{"ws://" + addrs[0] + "/", "ws://" + addrs[1] + "/"}, Connections: 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Control.Bind(t.Context(), s.Bindings(3)); err != nil {
		t.Fatal(err)
	}
	full, err := g.Weigh(t.Context(), "full")
	if err != nil || full.Moment != "full" || full.Connections != 20 || full.UIDs != 20 || full.Groups != 3 ||
		full.Files-full.Control != empty.Files-empty.Control+20 || full.PSS <= 0 || full.Heap <= 0 || full.Goroutines <= 0 || full.Threads <= 0 {
		t.Errorf("%+v after %+v, %v", full, empty, err)
	}
	s.Close()
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := g.Weigh(t.Context(), "gone"); err == nil {
		t.Error("a process that is gone has a weight")
	}
}

func TestStartRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"no such file":              {Binary: "/nonexistent"},
		"ended before it was ready": {Binary: wstest.Build(t), Listen: []string{"nonsense"}, Control: "127.0.0.1:1", Output: io.Discard},
	} {
		if _, err := Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
