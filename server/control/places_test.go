package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"castgate/internal/wstest"
	"castgate/server/control/internal/callers"
)

const (
	live  = "GET /livez HTTP/1.1\r\nHost: c\r\n\r\n"
	stats = "GET /v1/stats HTTP/1.1\r\nHost: c\r\n\r\n"
)

const (
	leastLobby = 8                      // fewest places for strangers
	halfTime   = 200 * time.Millisecond // a request that has not arrived by then gives way
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
				room = most / 2
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
			if n := p.listener.Counts().MadeRoom; n != uint64(many-room) {
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
	if n := p.listener.Counts().Crowded; n != 1 {
		t.Errorf("%d were turned away, want 1", n)
	}
	for _, c := range busy {
		_ = c.Close() // ends its request's wait
	}
	for limit := time.Now().Add(patience); p.listener.Counts().Callers > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if status, _, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("with room again: %d", status)
	}
}

// requireRoom waits until no connection is busy: that is only a moment after
// their answers were read.
func (p *port) requireRoom() {
	p.t.Helper()
	busy := func(c *callers.Conn) bool {
		doing, _ := c.State()
		return doing == callers.Reading || doing == callers.Serving
	}
	for limit := time.Now().Add(patience); slices.ContainsFunc(p.listener.Conns(), busy); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			p.t.Fatal("a connection stays busy")
		}
	}
}

// requireKind waits until n connections have been of a kind for a time.
func (p *port) requireKind(k callers.Kind, n int, old time.Duration) {
	p.t.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		have := 0
		for _, c := range p.listener.Conns() {
			if doing, age := c.State(); doing == k && age >= old {
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
		p.requireKind(callers.Idle, min(i+1, leastLobby), 0)
	}
	if status, body, _ := p.ask("GET", "/v1/stats", ""); status != 200 {
		t.Errorf("beside those who linger: %d %s", status, body)
	}
	if n := p.listener.Counts().MadeRoom; n != 4 {
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
			if n := p.listener.Counts(); n.Callers != 4 || n.Strangers > leastLobby {
				t.Errorf("%d callers, %d strangers", n.Callers, n.Strangers)
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
	p.requireKind(callers.Reading, most-most/8, halfTime)
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
	if n := p.listener.Counts().Crowded; n != 0 {
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
		// The connection of the last request makes room once the server has noted that
		// its answer is out.
		wstest.Await(t, func() string {
			c, in := p.dial()
			_, _ = io.WriteString(c, statsOf("secret-two"))
			if status, _, _ := read(t, in); status != 200 {
				return fmt.Sprintf("request %d of another key: %d", i, status)
			}
			return ""
		})
	}
}
