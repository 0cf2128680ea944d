package register

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// startJoiner runs a joining client until the test ends.
func startJoiner(t *testing.T, cfg JoinerConfig) *Joiner {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	if cfg.RedialAfter == 0 {
		cfg.RedialAfter = 10 * time.Millisecond
	}
	j, err := NewJoiner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	j.Start()
	t.Cleanup(func() {
		j.Close()
		if s := j.Stats(); s.Connected != 0 {
			t.Errorf("after Close: %+v", s)
		}
	})
	return j
}

// TestJoin: we are listed at every Register, also after one was away, and no longer
// once we have left.
func TestJoin(t *testing.T) {
	a := startRegister(t, Config{Secret: "key \"\\é"})
	b, err := New(Config{Address: "127.0.0.1:0", Secret: "key \"\\é"})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = b.Serve() }()
	j := startJoiner(t, JoinerConfig{Registers: []string{a.Addr().String(), b.Addr().String()}, Address: "10.1.2.3:2900", Secret: "key \"\\é"})
	await(t, "joined both", func() bool { return a.Stats().Gateways == 1 && b.Stats().Gateways == 1 && j.Stats().Connected == 2 })

	worker := `{"event":"worker_connect","secret_key":"key \"\\é"}` + "\n"
	atA := dial(t, a.Addr().String()).send(worker)
	atA.expect(listing("10.1.2.3:2900"))

	address := b.Addr().String()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "saw the close", func() bool { return j.Stats().Closes >= 1 })
	again := startRegister(t, Config{Address: address, Secret: "key \"\\é"})
	await(t, "joined again", func() bool { return again.Stats().Gateways == 1 })

	j.Close()
	atA.expect(listing())
}

// TestJoinWrongKey: the client tries again, as PHP's gateway does, but without a
// flood.
func TestJoinWrongKey(t *testing.T) {
	r := startRegister(t, Config{Secret: "right"})
	j := startJoiner(t, JoinerConfig{Registers: []string{r.Addr().String()}, Address: "10.1.2.3:2900", Secret: "wrong"})
	await(t, "three tries", func() bool { return r.Stats().Refused["wrong_key"] >= 3 && j.Stats().Closes >= 3 })
	if r.Stats().Gateways != 0 {
		t.Error("joined")
	}
}

// TestJoinEnds: a Register that ends a connection at once is said to refuse it, perhaps
// for the key; one that had taken it is said to have ended it.
func TestJoinEnds(t *testing.T) {
	for _, tt := range []struct {
		lasted time.Duration
		says   []string
		not    string
	}{
		{joinedAfter - 1, []string{"could not join a Register", "check the key"}, "that was joined"},
		{joinedAfter, []string{"a Register that was joined has ended the connection", "EOF"}, "key"},
	} {
		var log bytes.Buffer
		at := time.Unix(0, 0)
		j, err := NewJoiner(JoinerConfig{Registers: []string{"10.0.0.1:1236"}, Address: "10.1.2.3:2900", RedialAfter: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		j.dial = func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		}
		var asked atomic.Int64
		j.now = func() time.Time { return at.Add(time.Duration(asked.Swap(1)) * tt.lasted) }
		j.Start()
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
		await(t, "the connection has ended", func() bool { return j.Stats().Closes == 1 })
		j.Close()
		for _, s := range tt.says {
			if !strings.Contains(log.String(), s) {
				t.Errorf("after %v: %q lacks %q", tt.lasted, &log, s)
			}
		}
		if strings.Contains(log.String(), tt.not) {
			t.Errorf("after %v: %q", tt.lasted, &log)
		}
	}
}

// TestJoinVectors: a Register gets the recorded bytes: the line, then pings, but
// not at 127.0.0.1.
func TestJoinVectors(t *testing.T) {
	v := vectorLines(t)
	listen := func(address string) net.Listener {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	local, far := listen("127.0.0.1:0"), listen("127.0.0.2:0")
	j := startJoiner(t, JoinerConfig{
		Registers: []string{local.Addr().String(), far.Addr().String()},
		Address:   "127.0.0.2:12930", PingInterval: 5 * time.Millisecond,
	})
	accept := func(l net.Listener) (net.Conn, *bufio.Reader) {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		lines := bufio.NewReader(c)
		if line, err := lines.ReadString('\n'); err != nil || line != v["gateway_connect.lan"] {
			t.Errorf("%q, %v", line, err)
		}
		return c, lines
	}
	_, localLines := accept(local)
	farConn, farLines := accept(far)
	for range 5 {
		if line, err := farLines.ReadString('\n'); err != nil || line != v["ping"] {
			t.Fatalf("%q, %v", line, err)
		}
	}
	_ = farConn.Close() // and it reconnects
	accept(far)
	j.Close()
	if line, err := localLines.ReadString('\n'); err == nil || line != "" {
		t.Errorf("a ping at 127.0.0.1: %q", line)
	}
	if s := j.Stats(); s.Pings < 4 || s.Dials != 3 || s.DialErrors != 0 {
		t.Errorf("%+v", s)
	}
}

func TestJoinerConfig(t *testing.T) {
	ok := JoinerConfig{Registers: []string{"a.example:1236"}, Address: "1.2.3.4:5"}
	if _, err := NewJoiner(ok); err != nil {
		t.Error(err)
	}
	for want, cfg := range map[string]JoinerConfig{
		"0 Registers":  {Address: "1.2.3.4:5"},
		"65 Registers": {Registers: make([]string, 65), Address: "1.2.3.4:5"},
		"host:port":    {Registers: []string{"a.example"}, Address: "1.2.3.4:5"},
		"\":1236\"":    {Registers: []string{":1236"}, Address: "1.2.3.4:5"},
		"\"a:0\"":      {Registers: []string{"a:0"}, Address: "1.2.3.4:5"},
		"twice":        {Registers: []string{"a:1", "a:1"}, Address: "1.2.3.4:5"},
		`address ""`:   {Registers: []string{"a:1"}},
		"negative":     {Registers: []string{"a:1"}, Address: "1.2.3.4:5", RedialAfter: -1},
	} {
		if _, err := NewJoiner(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	j, err := NewJoiner(ok)
	if err != nil {
		t.Fatal(err)
	}
	j.Close() // without Start
	j.Start()
	if j.Stats().Dials != 0 {
		t.Error("dialled after Close")
	}
}
