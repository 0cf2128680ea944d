package wstest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
)

// echoGateway is a Gateway whose process is this test: a server that sends an init
// message, echoes every message, and closes with 4000 on request.
func echoGateway(t *testing.T) *Gateway {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, "# TYPE castgate_x counter\ncastgate_x{b=\"2\",a=\"1\"} 3\ncastgate_x{b=\"1\",a=\"1\"} 4\n# TYPE castgate_y gauge\ncastgate_y 5\n")
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		conn.SetReadLimit(maxFrame)
		conn.Write(r.Context(), websocket.MessageText, []byte(`{"type":"init","client_id":"c1"}`))
		for {
			kind, data, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			if string(data) == "close" {
				conn.Close(4000, "as asked")
				return
			}
			conn.Write(r.Context(), kind, data)
		}
	}))
	t.Cleanup(srv.Close)
	addr := srv.Listener.Addr().String()
	g := &Gateway{t: t, Addr: addr, ControlAddr: addr}
	g.http = &http.Client{Transport: &http.Transport{DialContext: g.dialControl, DisableKeepAlives: true}}
	return g
}

func TestClient(t *testing.T) {
	g := echoGateway(t)
	c := g.Dial(t)
	if c.ID != "c1" {
		t.Errorf("client_id %q", c.ID)
	}
	c.Send("one")
	c.Send("two")
	c.Expect("one", "two")
	c.Send("close")
	c.ExpectClose(4000, "as asked")
	if len(c.Messages()) != 2 {
		t.Errorf("log %v", c.Messages())
	}
}

// TestRaw: another implementation reads what AppendMasked writes, and Frame reads
// what the other writes, for each of the three encodings of a length.
func TestRaw(t *testing.T) {
	g := echoGateway(t)
	r := g.DialRaw(t)
	if got := r.Upgrade(); !strings.Contains(got, "c1") {
		t.Errorf("init message %q", got)
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := strings.Repeat("é", size/2) + strings.Repeat("x", size%2)
		r.Put(MaskedFrame(OpText, []byte(payload)))
		if op, got, err := r.Frame(); err != nil || op != OpText || string(got) != payload {
			t.Fatalf("%d bytes: opcode %d, %d bytes, %v", size, op, len(got), err)
		}
	}
	r.Put(MaskedFrame(OpText, []byte("close")))
	if code := r.ExpectClosed(); code != 4000 {
		t.Errorf("close code %d, want 4000", code)
	}
}

func TestMetrics(t *testing.T) {
	got := echoGateway(t).Metrics()
	want := map[string]float64{
		"castgate_x": 7, `castgate_x{a="1",b="2"}`: 3, `castgate_x{a="1",b="1"}`: 4, "castgate_y": 5,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFlags(t *testing.T) {
	flags := []string{"--listen", "a:1", "--loops", "2", "--control=b:2", "--slow-policy=drop"}
	if flagValue(flags, "--listen") != "a:1" || flagValue(flags, "--control") != "b:2" || flagValue(flags, "--nothing") != "" {
		t.Errorf("flagValue misreads %v", flags)
	}
	if got := withoutAddresses(flags); !reflect.DeepEqual(got, []string{"--loops", "2", "--slow-policy=drop"}) {
		t.Errorf("withoutAddresses: %v", got)
	}
}

func TestProcess(t *testing.T) {
	p := Spawn(t, exec.Command("sh", "-c", "echo out; echo err >&2; exit 3"))
	if code := p.Exited(t, Patience); code != 3 || p.Log() != "out\nerr\n" {
		t.Errorf("code %d, log %q", code, p.Log())
	}
	p = Spawn(t, exec.Command("sleep", "1000"))
	p.Signal(os.Kill)
	if code := p.Exited(t, Patience); code != -1 {
		t.Errorf("code of a killed process is %d, want -1", code)
	}
}

func TestProc(t *testing.T) {
	pid := os.Getpid()
	before := FDs(t, pid)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := FDs(t, pid); got != before+1 {
		t.Errorf("%d descriptors, then one more: %d", before, got)
	}
	if pss, rss := PSS(t, pid), RSS(t, pid); pss < 1<<20 || pss > rss+rss/4 {
		t.Errorf("PSS %d, RSS %d", pss, rss)
	}
	if n := Threads(t, pid); n < 1 || n > 1000 {
		t.Errorf("%d threads", n)
	}
}

// After SIGSTOP, nothing of a process runs any more.
func TestStopSignal(t *testing.T) {
	for range 20 {
		p := Spawn(t, exec.Command("sh", "-c", "while :; do :; done"))
		p.Signal(syscall.SIGSTOP)
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			t.Fatal(err)
		}
		if _, state, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(state, "T") {
			t.Fatalf("stopped: %s", text)
		}
		p.Signal(syscall.SIGKILL)
	}
}
