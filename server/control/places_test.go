package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	live  = "GET /livez HTTP/1.1\r\nHost: c\r\n\r\n"
	stats = "GET /v1/stats HTTP/1.1\r\nHost: c\r\n\r\n"
)

// statsOf is stats with a key.
func statsOf(key string) string {
	return strings.Replace(stats, "\r\n\r\n", "\r\nX-API-Key: "+key+"\r\n\r\n", 1)
}

// waitingPush is a push that waits until its caller disconnects.
func waitingPush(key string) string {
	return strings.Replace(post(`{"to":{"all":true},"text":"x","wait":"written"}`), "\r\n", "\r\nX-API-Key: "+key+"\r\n", 1)
}

// TestIdleConnectionsMakeRoom: 1,000 idle keep-alive connections, of callers or
// of strangers, keep nobody out; the longest idle ones go first.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	const most, many = 20, 1000
	for what, request := range map[string]string{"callers": stats, "strangers": live} {
		t.Run(what, func(t *testing.T) {
			p := start(t, func(c *Config) { c.MaxConns = most })
			room := most
			if request == live {
				room = lobbyOf(most)
			}
			for i := range many {
				c, in := p.dial()
				if _, err := io.WriteString(c, request); err != nil {
					t.Fatal(err)
				}
				if status, _, _ := read(t, in); status != 200 {
					t.Fatalf("connection %d: status %d", i, status)
				}
				if i >= room {
					continue
				}
				defer func() { // the first ones were closed
					_ = c.SetReadDeadline(time.Now().Add(patience))
					if _, err := in.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("connection %d of the first is still there: %v", i, err)
					}
				}()
			}
			if n := p.open(); n != room {
				t.Errorf("%d connections are open, %d are allowed", n, room)
			}
			if n := p.listener.places.madeRoom.Load(); n != uint64(many-room) {
				t.Errorf("%d made room, want %d", n, many-room)
			}
			if status, body, _ := p.ask("POST", "/v1/push", `{"to":{"all":true},"text":"x"}`); status != 200 {
				t.Errorf("one more: %d %s", status, body)
			}
		})
	}
}

// TestFull: when all callers' places are busy, a further request gets 503 and
// its connection ends; probes have places of their own.
func TestFull(t *testing.T) {
	p := start(t, func(c *Config) { c.MaxConns = 2; c.RequestTimeout = time.Hour })
	p.fake.waiting = make(chan struct{}, 2)
	var busy []net.Conn
	for range 2 {
		c, _ := p.dial()
		_, _ = io.WriteString(c, waitingPush("none"))
		<-p.fake.waiting
		busy = append(busy, c)
	}
	c, in := p.dial()
	_, _ = io.WriteString(c, stats)
	status, body, h := read(t, in)
	requireProblem(t, "full", status, body, h.Get("Content-Type"), 503, "too_many_connections")
	if h.Get("Retry-After") != "1" {
		t.Errorf("headers %v", h)
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("then %q, %v", rest, err)
	}
	if status, _, _ := p.ask("GET", "/livez", ""); status != 200 {
		t.Errorf("a probe: %d", status)
	}
	if n := p.listener.places.crowded.Load(); n != 1 {
		t.Errorf("%d were turned away, want 1", n)
	}
	for _, c := range busy {
		_ = c.Close() // ends its request's wait
	}
	callers := func() int { n, _ := p.listener.places.count(); return n }
	for limit := time.Now().Add(patience); callers() > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if status, _, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("with room again: %d", status)
	}
}

// requireRoom waits until all callers are idle, which is shortly after their
// answers were read.
func (p *port) requireRoom() {
	p.t.Helper()
	busy := func() bool {
		p.listener.places.mu.Lock()
		defer p.listener.places.mu.Unlock()
		for c := range p.listener.places.callers {
			if state(c.state.Load()).kind() != kindIdle {
				return true
			}
		}
		return false
	}
	for limit := time.Now().Add(patience); busy(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("a caller stays busy")
		}
	}
}

// requireKind waits until n connections have been of a kind for a time.
func (p *port) requireKind(k kind, n int, old time.Duration) {
	p.t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		have := 0
		for _, c := range p.listener.places.all() {
			if s := state(c.state.Load()); s.kind() == k && now()-s.since() >= int64(old) {
				have++
			}
		}
		if have >= n {
			return
		}
		if time.Now().After(limit) {
			p.t.Fatalf("%d connections are of kind %d, not %d", have, k, n)
		}
	}
}

// TestLingeringMakesRoom: a caller that was refused and stays connected keeps
// nobody out.
func TestLingeringMakesRoom(t *testing.T) {
	p := start(t, func(c *Config) { c.MaxConns = 1 })
	for i := range leastLobby + 3 {
		c, in := p.dial()
		_, _ = io.WriteString(c, "garbage\r\n\r\n")
		if status, _, _ := read(t, in); status != 400 {
			t.Errorf("garbage: status %d", status)
		}
		p.requireKind(kindIdle, min(i+1, leastLobby), 0)
	}
	if status, body, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("beside those who linger: %d %s", status, body)
	}
	if n := p.listener.places.madeRoom.Load(); n != 4 {
		t.Errorf("%d made room, want 4", n)
	}
}

// TestStrangersKeepNobodyOut: however many strangers there are, they take no
// place from callers with a key, whether they are silent, slow with a request
// or idle after one that needs no key.
func TestStrangersKeepNobodyOut(t *testing.T) {
	for what, begin := range map[string]string{"silent": "", "slow": "G", "slow with a body": "POST /v1/push HTTP/1.1\r\nHost: c\r\nContent-Length: 9\r\n\r\n", "idle": live} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := start(t, func(c *Config) {
				c.MaxConns, c.Keys = 4, []string{"secret-key"}
				c.ReadTimeout, c.IdleTimeout = time.Hour, time.Hour
			})
			strangers := func() {
				for range 3 * leastLobby {
					c, in := p.dial()
					_, _ = io.WriteString(c, begin)
					if begin == live {
						read(t, in)
					}
				}
			}
			idle, idleIn := p.dial()
			ask := func(c io.Writer) {
				t.Helper()
				_, _ = io.WriteString(c, statsOf("secret-key"))
			}
			ask(idle)
			read(t, idleIn)
			for range 3 {
				strangers()
				c, in := p.dial()
				ask(c)
				if status, _, _ := read(t, in); status != 200 {
					t.Fatalf("a new caller: status %d", status)
				}
			}
			strangers()
			ask(idle)
			if status, _, _ := read(t, idleIn); status != 200 {
				t.Fatalf("the caller who was idle: status %d", status)
			}
			if callers, others := p.listener.places.count(); callers != 4 || others > leastLobby {
				t.Errorf("%d callers, %d strangers", callers, others)
			}
		})
	}
}

// TestHalfRequestsGiveWay: a caller that takes all places, each with a valid
// request followed by half of another, keeps nobody out.
func TestHalfRequestsGiveWay(t *testing.T) {
	const most = 16
	p := start(t, func(c *Config) {
		c.MaxConns, c.Keys = most, []string{"secret-one", "secret-two"}
		c.ReadTimeout, c.IdleTimeout = time.Hour, time.Hour
	})
	for range 2 * most {
		c, in := p.dial()
		_, _ = io.WriteString(c, statsOf("secret-one"))
		if status, _, _ := read(t, in); status != 200 {
			t.Fatalf("status %d", status)
		}
		_, _ = io.WriteString(c, "POST /v1/push HTTP/1.1\r\nHost: c\r\nX-API-Key: secret-one\r\nContent-Length: 100\r\n\r\n{")
	}
	p.requireKind(kindReading, most-most/8, halfTime)
	var others []net.Conn
	for i := range most {
		c, in := p.dial()
		_, _ = io.WriteString(c, statsOf("secret-two"))
		if status, body, _ := read(t, in); status != 200 {
			t.Fatalf("caller %d of another key: %d %s", i, status, body)
		}
		if status, _, _ := p.ask("GET", "/livez", ""); status != 200 {
			t.Fatalf("a probe: %d", status)
		}
		others = append(others, c)
	}
	if n := p.listener.places.crowded.Load(); n != 0 {
		t.Errorf("%d were turned away", n)
	}
	for _, c := range others {
		_ = c.Close()
	}
}

// TestShare: one key's requests, however long they take, leave places to
// others.
func TestShare(t *testing.T) {
	const most = 16
	p := start(t, func(c *Config) {
		c.MaxConns, c.Keys = most, []string{"secret-one", "secret-two"}
		c.RequestTimeout = time.Hour
	})
	p.fake.waiting = make(chan struct{}, most)
	for i := range most {
		c, in := p.dial()
		defer func() { _ = c.Close() }()
		_, _ = io.WriteString(c, waitingPush("secret-one"))
		if i < most-most/8 {
			<-p.fake.waiting
		} else if status, _, _ := read(t, in); status != 503 {
			t.Errorf("beyond its share: %d", status)
		}
	}
	for i := range 2 * most {
		c, in := p.dial()
		_, _ = io.WriteString(c, statsOf("secret-two"))
		if status, _, _ := read(t, in); status != 200 {
			t.Fatalf("request %d of another key: %d", i, status)
		}
	}
}

// A share is that of a key if there are several, and that of an address if
// callers come from other hosts.
func TestExhausted(t *testing.T) {
	far, near := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.0.0.1")
	for _, tt := range []struct {
		keys         int
		addr         netip.Addr
		owned, keyed int
		want         bool
	}{
		{1, near, 16, 16, false},
		{0, netip.Addr{}, 16, 16, false},
		{2, near, 2, 13, false},
		{2, near, 2, 14, true},
		{1, far, 13, 16, false},
		{1, far, 14, 14, true},
	} {
		if got := shareOf(tt.keys, tt.addr).exhausted(16, tt.owned, tt.keyed); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
	if shareOf(2, far).exhausted(7, 6, 6) || !shareOf(2, far).exhausted(7, 7, 7) {
		t.Error("of few places none are kept for others")
	}
}

// crowd fills places with strangers from addresses.
func crowd(p *places, addrs ...string) (all []*conn) {
	for _, a := range addrs {
		c := &conn{Conn: nopConn{}, listener: &listener{places: p}, addr: netip.MustParseAddr(a)}
		c.become(kindNew)
		p.enter(c)
		all = append(all, c)
	}
	return all
}

// TestStrangersByAddress: the strangers to give way are those of the address
// that has the most, the oldest first.
func TestStrangersByAddress(t *testing.T) {
	p := newPlaces(func() int { return 4 })
	all := crowd(p, "10.0.0.1", "10.0.0.2", "10.0.0.2", "10.0.0.2", "10.0.0.3", "10.0.0.3", "10.0.0.3", "10.0.0.3")
	gone := []int{4, 1, 5, 2}
	for i, want := range gone {
		c := &conn{Conn: nopConn{}, addr: netip.MustParseAddr(fmt.Sprintf("10.0.1.%d", i))}
		if other, ok := p.enter(c); !ok || other != all[want] {
			t.Fatalf("newcomer %d: the wrong one gives way", i)
		}
	}
}

// TestStrangersOfOneNetwork: all addresses of an IPv6 /64 count as one.
func TestStrangersOfOneNetwork(t *testing.T) {
	p := newPlaces(func() int { return 4 })
	all := crowd(p, "2001:db8:1::1", "::ffff:10.0.0.1", "2001:db8:2::1", "2001:db8:2::2", "2001:db8:2:0:1::3",
		"10.0.0.2", "2001:db8:1:1::1", "::1")
	for i, want := range []int{2, 3} {
		c := &conn{Conn: nopConn{}, addr: netip.MustParseAddr(fmt.Sprintf("10.0.1.%d", i))}
		if other, ok := p.enter(c); !ok || other != all[want] {
			t.Fatalf("newcomer %d: the wrong one gives way", i)
		}
	}
}

// TestServedStrangers: no connection is cut while it is being answered, unless
// that takes long.
func TestServedStrangers(t *testing.T) {
	p := newPlaces(func() int { return 4 })
	all := crowd(p, "::1", "::1", "::1", "::1", "::1", "::1", "::1", "::1")
	for _, c := range all {
		c.become(kindServing)
	}
	if _, ok := p.enter(&conn{}); ok {
		t.Error("a place where there is none")
	}
	all[3].state.Store(int64(state((now()-int64(strangerTime))*int64(kinds) + int64(kindServing))))
	if other, ok := p.enter(&conn{}); !ok || other != all[3] || !other.evicted() {
		t.Error("the one that does not take its answer stays")
	}
	if all[3].become(kindServing) {
		t.Error("it is served all the same")
	}
}

// TestDemoted: a caller whose request is refused becomes a stranger again, and
// its place is free.
func TestDemoted(t *testing.T) {
	p := newPlaces(func() int { return 1 })
	all := crowd(p, "::1", "::2")
	if err := all[0].letIn("one", 2); err != nil {
		t.Fatal(err)
	}
	all[0].become(kindServing)
	if err := all[1].letIn("two", 2); !errors.Is(err, errCrowded) {
		t.Errorf("beside one that is served: %v", err)
	}
	all[0].keepOut()
	if err := all[1].letIn("two", 2); err != nil {
		t.Errorf("in the place of one that was refused: %v", err)
	}
	if err := all[1].letIn("three", 2); err != nil || all[1].owner.key != "three" {
		t.Errorf("with another key: %v, %+v", err, all[1].owner)
	}
	for _, c := range all {
		_ = c.Close()
	}
	if len(p.all())+len(p.owned)+len(p.keyed) != 0 {
		t.Errorf("something is left: %+v", p)
	}
}

func TestPlacesFor(t *testing.T) {
	for _, descriptors := range []int{1, 5, 9, 20, 24, 40, 312, 1 << 20} {
		most := PlacesFor(descriptors)
		if most < 1 || descriptors > leastLobby && most+lobbyOf(most) > descriptors {
			t.Errorf("%d descriptors: %d callers and %d strangers", descriptors, most, lobbyOf(most))
		}
	}
}
