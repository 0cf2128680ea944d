package register

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for something that must happen.
const patience = 60 * time.Second

// settle is listen.Settle in tests: a round trip on loopback takes microseconds.
const settle = 5 * time.Millisecond

// startRegister serves a Register on a free port until the test ends.
func startRegister(t *testing.T, cfg Config) *Server {
	t.Helper()
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	cfg.Log = slog.New(slog.DiscardHandler)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.settle = settle
	served := make(chan error, 1)
	go func() { served <- r.Serve() }()
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if s := r.Stats(); s.Connections != 0 || s.Workers != 0 || s.Gateways != 0 {
			t.Errorf("after Close: %+v", s)
		}
	})
	return r
}

// peer is a connection to a Register.
type peer struct {
	t *testing.T
	*net.TCPConn
	lines *bufio.Reader
}

func dial(t *testing.T, address string) *peer {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c.(*net.TCPConn), bufio.NewReader(c)}
}

func (p *peer) send(text string) *peer {
	p.t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *peer) expect(line string) {
	p.t.Helper()
	if got, err := p.lines.ReadString('\n'); err != nil || got != line+"\n" {
		p.t.Fatalf("got %q, %v; expected %q", got, err, line)
	}
}

// rest reads to the end of the connection, which must come.
func (p *peer) rest() string {
	p.t.Helper()
	b, err := io.ReadAll(p.lines)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		p.t.Fatal("not closed")
	}
	return string(b)
}

// await waits until the condition holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: " + what)
		}
	}
}

func listing(addresses ...string) string {
	b, _ := json.Marshal(addresses)
	if len(addresses) == 0 {
		b = []byte("[]")
	}
	return `{"event":"broadcast_addresses","addresses":` + string(b) + `}`
}

const asWorker = `{"event":"worker_connect","secret_key":""}` + "\n"

func asGateway(address string) string {
	return fmt.Sprintf(`{"event":"gateway_connect", "address":"%s", "secret_key":""}`, address) + "\n"
}

// vectorLines are the recorded lines of the group register.
func vectorLines(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../../../codec/gatewayworker/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Name, Group, Hex string }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, v := range all {
		if v.Group == "register" {
			b, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			lines[strings.TrimPrefix(v.Name, "register.")] = string(b)
		}
	}
	if len(lines) != 8 {
		t.Fatalf("%d vectors", len(lines))
	}
	return lines
}

// TestRegisterVectors plays the recorded exchange. Where PHP sends an object with
// gaps (broadcast.gap) we send the same addresses as a list.
func TestRegisterVectors(t *testing.T) {
	v := vectorLines(t)
	at := startRegister(t, Config{}).Addr().String()
	line := func(name string) string { return strings.TrimSuffix(v[name], "\n") }

	worker := dial(t, at).send(v["worker_connect.client"])
	worker.expect(line("broadcast.none"))
	first := dial(t, at).send(v["gateway_connect"] + v["ping"])
	worker.expect(line("broadcast.one"))
	dial(t, at).send(asGateway("127.0.0.1:2901"))
	worker.expect(line("broadcast.two"))
	dial(t, at).send(v["gateway_connect"])
	worker.expect(line("broadcast.two"))
	last := dial(t, at).send(asGateway("127.0.0.1:2902"))
	worker.expect(listing("127.0.0.1:2900", "127.0.0.1:2901", "127.0.0.1:2902"))

	_ = first.Close() // the second connection still has its address, now at the end
	worker.expect(listing("127.0.0.1:2901", "127.0.0.1:2900", "127.0.0.1:2902"))
	last.send(v["gateway_connect.lan"]) // replaces its previous address
	worker.expect(listing("127.0.0.1:2901", "127.0.0.1:2900", "127.0.0.2:12930"))
	worker.send(v["worker_connect.client"])
	worker.expect(listing("127.0.0.1:2901", "127.0.0.1:2900", "127.0.0.2:12930"))
}

// TestRegisterRejections is the table of section 1.2.
func TestRegisterRejections(t *testing.T) {
	r := startRegister(t, Config{Secret: "s3\"cret", MaxLine: 4096})
	key := `,"secret_key":"s3\"cret"}`
	for _, c := range []struct {
		name, sent, reason string
		text               bool
	}{
		{"not JSON", "hello\n", "no_event", true},
		{"empty line", "\n", "no_event", true},
		{"only line ends", "\r\r\n", "no_event", true},
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "no_event", true},
		{"no event", `{"address":"a:1"` + key + "\n", "no_event", true},
		{"event empty", `{"event":""` + key + "\n", "no_event", true},
		{"event 0", `{"event":"0"` + key + "\n", "no_event", true},
		{"event false", `{"event":false` + key + "\n", "no_event", true},
		{"event empty list", `{"event":[]` + key + "\n", "no_event", true},
		{"a list", `["event"]` + "\n", "no_event", true},
		{"a string", `"event"` + "\n", "no_event", true},
		{"event number", `{"event":5` + key + "\n", "unknown_event", false},
		{"event list", `{"event":["ping"]` + key + "\n", "unknown_event", false},
		{"unknown event", `{"event":"other"` + key + "\n", "unknown_event", false},
		{"no address", `{"event":"gateway_connect"` + key + "\n", "no_address", false},
		{"empty address", `{"event":"gateway_connect","address":""` + key + "\n", "no_address", false},
		{"address number", `{"event":"gateway_connect","address":5` + key + "\n", "no_address", false},
		{"long address", `{"event":"gateway_connect","address":"` + strings.Repeat("a", 300) + `"` + key + "\n", "no_address", false},
		{"other key", `{"event":"worker_connect","secret_key":"s3"}` + "\n", "wrong_key", false},
		{"no key", `{"event":"worker_connect"}` + "\n", "wrong_key", false},
		{"null key", `{"event":"gateway_connect","address":"a:1","secret_key":null}` + "\n", "wrong_key", false},
		{"key a number", `{"event":"worker_connect","secret_key":0}` + "\n", "wrong_key", false},
		{"long line", strings.Repeat("x", 4095) + "\n", "no_event", true},
		{"too long a line", strings.Repeat("x", 4096), "line_too_long", false},
		{"later line", `{"event":"worker_connect"` + key + "\nx\n", "no_event", false},
	} {
		before := r.Stats().Refused[c.reason]
		p := dial(t, r.Addr().String()).send(c.sent)
		got := p.rest()
		if c.text != strings.HasPrefix(got, "this is a Register") || !c.text && got != "" && got != listing()+"\n" {
			t.Errorf("%s: got %q", c.name, got)
		}
		await(t, c.name, func() bool { return r.Stats().Refused[c.reason] == before+1 })
	}
	sum := uint64(0)
	for _, n := range r.Stats().Refused {
		sum += n
	}
	if sum != 25 {
		t.Errorf("%v", r.Stats().Refused)
	}
	p := dial(t, r.Addr().String()) // in pieces
	for _, b := range []byte(`{"event":"worker_connect"` + key + "\r\n") {
		p.send(string([]byte{b}))
	}
	p.expect(listing())
}

// TestRegisterSilent: neither silence nor pings nor half a line keep a connection
// open; a connect does.
func TestRegisterSilent(t *testing.T) {
	r := startRegister(t, Config{AuthTimeout: 200 * time.Millisecond})
	at := r.Addr().String()
	silent, half, pinging := dial(t, at), dial(t, at).send(`{"event":"worker_con`), dial(t, at)
	var worker *peer
	await(t, "a worker in time", func() bool { // the machine may be slower than AuthTimeout
		worker = dial(t, at)
		_, _ = io.WriteString(worker, asWorker)
		line, _ := worker.lines.ReadString('\n')
		return line == listing()+"\n"
	})
	go func() {
		for {
			if _, err := io.WriteString(pinging, `{"event":"ping"}`+"\n"); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for _, p := range []*peer{silent, half, pinging} {
		if got := p.rest(); got != "" {
			t.Errorf("got %q", got)
		}
	}
	await(t, "three silent ones", func() bool { return r.Stats().Refused["silent"] >= 3 })
	worker.send(asWorker).expect(listing())
}

// TestRegisterFlood: a thousand connections that send nothing or half a line take
// every place. Gateways and workers are still served, and connected ones are never
// closed.
func TestRegisterFlood(t *testing.T) {
	r := startRegister(t, Config{AuthTimeout: time.Hour, MaxConns: 1000})
	at := r.Addr().String()
	worker := dial(t, at).send(asWorker)
	worker.expect(listing())
	for i := range 1000 {
		p := dial(t, at)
		if i%2 == 0 {
			p.send(`{"event":"gateway_connect","address`)
		}
	}
	await(t, "the flood", func() bool { return r.Stats().Accepted == 1001 })
	dial(t, at).send(asGateway("127.0.0.1:1"))
	worker.expect(listing("127.0.0.1:1"))
	dial(t, at).send(asWorker).expect(listing("127.0.0.1:1"))
	if s := r.Stats(); s.Connections != 1000 || s.Refused["full"] != 3 {
		t.Errorf("%+v", s)
	}
}

// TestRegisterFull: if all connections have sent a connect, the new one is closed.
func TestRegisterFull(t *testing.T) {
	r := startRegister(t, Config{MaxConns: 2})
	at := r.Addr().String()
	a, b := dial(t, at).send(asWorker), dial(t, at).send(asWorker)
	a.expect(listing())
	b.expect(listing())
	if got := dial(t, at).rest(); got != "" {
		t.Errorf("got %q", got)
	}
	await(t, "one refused", func() bool { return r.Stats().Refused["full"] == 1 })
	_ = b.Close()
	await(t, "one left", func() bool { return r.Stats().Connections == 1 })
	dial(t, at).send(asWorker).expect(listing())
}

// TestRegisterOwn: our addresses are listed before anybody connects, come first,
// and are in every list, even at the end.
func TestRegisterOwn(t *testing.T) {
	r := startRegister(t, Config{Own: []string{"10.0.0.1:2900"}})
	at := r.Addr().String()
	worker := dial(t, at).send(asWorker)
	worker.expect(listing("10.0.0.1:2900"))
	gateway := dial(t, at).send(asGateway("10.0.0.2:2900"))
	worker.expect(listing("10.0.0.1:2900", "10.0.0.2:2900"))
	dial(t, at).send(asGateway("10.0.0.1:2900"))
	worker.expect(listing("10.0.0.1:2900", "10.0.0.2:2900"))
	_ = gateway.Close()
	worker.expect(listing("10.0.0.1:2900"))
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if got := worker.rest(); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestRegisterSlow: a worker that asks again and again and never reads is closed;
// others get their lists meanwhile.
func TestRegisterSlow(t *testing.T) {
	var own []string
	for i := range 40 {
		own = append(own, strings.Repeat("x", 200)+fmt.Sprint(i))
	}
	r := startRegister(t, Config{Own: own, SendTimeout: time.Second})
	slow := dial(t, r.Addr().String())
	go func() {
		for {
			if _, err := io.WriteString(slow, strings.Repeat(asWorker, 100)); err != nil {
				return
			}
		}
	}()
	await(t, "the slow one is closed", func() bool { return r.Stats().Refused["slow"] == 1 })
	dial(t, r.Addr().String()).send(asWorker).expect(listing(own...))
	await(t, "it is forgotten", func() bool { return r.Stats().Workers == 1 })
}

func TestRegisterConfig(t *testing.T) {
	for want, cfg := range map[string]Config{
		`address "localhost:1236"`: {Address: "localhost:1236"},
		"needs a secret":           {Address: "0.0.0.0:1236"},
		"negative":                 {Address: "127.0.0.1:1236", MaxConns: -1},
		`address ""`:               {Address: "[::1]:1236", Own: []string{""}},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	taken := startRegister(t, Config{})
	if _, err := New(Config{Address: taken.Addr().String()}); err == nil {
		t.Error("one port twice")
	}
}

// A gateway that has pinged and stops is removed from the list, since it hangs; one
// that has never pinged stays.
func TestRegisterDropsWhoStopsPinging(t *testing.T) {
	r := startRegister(t, Config{Address: "127.0.0.1:0", PingTimeout: 50 * time.Millisecond})
	address := r.Addr().String()
	never := dial(t, address).send(asGateway("127.0.0.1:2900"))
	await(t, "the first gateway", func() bool { return r.Stats().Gateways == 1 })
	hangs := dial(t, address).send(asGateway("127.0.0.1:2901"))
	await(t, "both gateways", func() bool { return r.Stats().Gateways == 2 })
	worker := dial(t, address).send(asWorker + `{"event":"ping"}` + "\n")
	worker.expect(listing("127.0.0.1:2900", "127.0.0.1:2901"))
	hangs.send(`{"event":"ping"}` + "\n")
	worker.expect(listing("127.0.0.1:2900"))
	if got := hangs.rest(); got != "" {
		t.Errorf("it was told %q", got)
	}
	if n := r.Stats().Refused["no_ping"]; n != 1 {
		t.Errorf("%d were counted", n)
	}
	_ = never.Close()
	worker.expect(listing())
}

// Connections that wait at the Register when it stops get the list.
func TestRegisterLeavesWithCallsThatWait(t *testing.T) {
	r, err := New(Config{Address: "127.0.0.1:0", Own: []string{"127.0.0.1:2900"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var calls []*peer
	for range 50 {
		calls = append(calls, dial(t, r.Addr().String()).send(asWorker))
	}
	served, left := make(chan error, 1), make(chan struct{})
	go func() { r.Leave(t.Context()); close(left) }()
	go func() { served <- r.Serve() }()
	<-left
	if err := errors.Join(r.Close(), <-served); err != nil {
		t.Error(err)
	}
	for _, c := range calls {
		c.expect(listing("127.0.0.1:2900"))
	}
}

// A second Register on the same address is reported in the log.
func TestSharedRegisterIsToldOf(t *testing.T) {
	first := startRegister(t, Config{ReusePort: true})
	var log bytes.Buffer
	second, err := New(Config{Address: first.Addr().String(), ReusePort: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "another process also listens on this address"); n != 1 {
		t.Errorf("%d warnings: %s", n, &log)
	}
}
