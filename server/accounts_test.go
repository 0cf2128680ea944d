package server

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"castgate/server/gateway"
)

// TestOrderAndAccounts holds the promises of order and counting while clients,
// binds, joins, leaves, kicks, disconnects and pushes happen at once. Each
// caller owns its clients' memberships, so it knows what it was promised; all
// push to all.
func TestOrderAndAccounts(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Loops = 4; c.SendQueue = 64 << 20 })
	callers, rounds := 8, 60
	if testing.Short() {
		rounds = 20
	}
	var matched, mass atomic.Int64
	var wg sync.WaitGroup
	logs := make([]*caller, callers)
	for i := range callers {
		c := &caller{s: s, name: i, random: rand.New(rand.NewPCG(uint64(i), 7)), matched: &matched, mass: &mass}
		logs[i] = c
		wg.Go(func() { c.run(rounds) })
	}
	wg.Wait()
	eventually(t, "every delivery to end", func() bool { return s.stats().Queued == 0 })
	st := s.stats()
	if got := int64(st.Matched); got != matched.Load() {
		t.Errorf("counter of matched %d, answers said %d", got, matched.Load())
	}
	if st.Matched != st.Written+st.Dropped["slow"]+st.Dropped["closed"] || st.Dropped["slow"] != 0 {
		t.Errorf("matched %d, written %d, dropped %v", st.Matched, st.Written, st.Dropped)
	}
	received := 0
	for _, c := range logs {
		received += c.check(t)
	}
	// What a client has read was written; a client that was cut off may have
	// been written to without reading it.
	if received > int(st.Written) {
		t.Errorf("clients received %d messages, %d were written", received, st.Written)
	}
}

// caller is one backend with its own clients and group.
type caller struct {
	s             *testServer
	name          int
	random        *rand.Rand
	clients       []*member
	gone          []*member
	seq           int
	matched, mass *atomic.Int64
}

// member is a client with what its caller was promised for it.
type member struct {
	*testClient
	uid     string
	grouped bool
	cut     bool     // ended by the client itself: what was under way may be lost
	want    []string // messages of this caller to it, in order
}

func (c *caller) run(rounds int) {
	for range rounds {
		switch n := c.random.IntN(20); {
		case n < 4 && len(c.clients) < 12:
			c.connect()
		case n < 5 && len(c.clients) > 3:
			c.end(true)
		case n < 6 && len(c.clients) > 3:
			c.end(false)
		case n < 10:
			c.regroup()
		case n < 11:
			c.pushAll()
		default:
			c.push()
		}
	}
}

func (c *caller) connect() {
	client, err := c.s.tryDial()
	if err != nil {
		c.s.t.Errorf("dial: %v", err)
		return
	}
	m := &member{testClient: client, uid: fmt.Sprintf("uid-%d-%d", c.name, c.seq)}
	c.seq++
	if _, err := c.s.Bind(ctx, gateway.Bind{ClientID: m.id, UID: m.uid}); err != nil {
		c.s.t.Errorf("bind: %v", err)
	}
	c.clients = append(c.clients, m)
}

func (c *caller) group() string { return "group-" + strconv.Itoa(c.name) }

// end takes a client away, by a kick or by cutting it.
func (c *caller) end(kick bool) {
	i := c.random.IntN(len(c.clients))
	m := c.clients[i]
	c.clients = append(c.clients[:i:i], c.clients[i+1:]...)
	c.gone = append(c.gone, m)
	if kick {
		text := c.message("kick")
		m.want = append(m.want, text)
		if n, err := c.s.Kick(ctx, gateway.Kick{To: gateway.Targets{ClientIDs: []string{m.id}}, Code: 3000, Text: text}); n != 1 || err != nil {
			c.s.t.Errorf("kick: %d %v", n, err)
		}
		return
	}
	m.cut = true
	_ = m.ws.CloseNow()
	eventually(c.s.t, "the server to see a cut", func() bool {
		r, _ := c.s.Online(ctx, gateway.Online{ClientIDs: []string{m.id}})
		return !r.Clients[0]
	})
}

func (c *caller) regroup() {
	for _, m := range c.clients {
		if c.random.IntN(2) == 0 {
			continue
		}
		change := gateway.Membership{ClientIDs: []string{m.id}, Groups: []string{c.group()}}
		r, err := c.s.Join(ctx, change)
		if m.grouped {
			r, err = c.s.Leave(ctx, change)
		}
		if m.grouped = !m.grouped; err != nil || r.Changed != 1 {
			c.s.t.Errorf("changing a membership: %+v %v", r, err)
		}
	}
}

func (c *caller) message(kind string) string {
	c.seq++
	return fmt.Sprintf("%d %s %d", c.name, kind, c.seq)
}

// push sends to a client, a uid, the group or a mixture, and notes who must
// receive it.
func (c *caller) push() {
	text := c.message("push")
	var to gateway.Targets
	meant := map[*member]bool{}
	for _, m := range c.clients {
		switch c.random.IntN(6) {
		case 0:
			to.ClientIDs = append(to.ClientIDs, m.id)
			meant[m] = true
		case 1:
			to.UIDs = append(to.UIDs, m.uid)
			meant[m] = true
		}
	}
	if c.random.IntN(2) == 0 || len(to.ClientIDs)+len(to.UIDs) == 0 {
		to.Groups = []string{c.group()}
		for _, m := range c.clients {
			if m.grouped {
				meant[m] = true
			}
		}
	}
	r, err := c.s.Push(ctx, gateway.Push{To: to, Payload: []byte(text), Binary: c.random.IntN(2) == 0})
	if err != nil || r.Matched != len(meant) {
		c.s.t.Errorf("push to %+v: %+v %v, want %d", to, r, err, len(meant))
	}
	c.matched.Add(int64(r.Matched))
	for m := range meant {
		m.want = append(m.want, text)
	}
}

func (c *caller) pushAll() {
	text := c.message("all")
	r, err := c.s.Push(ctx, gateway.Push{To: gateway.Targets{All: true}, Payload: []byte(text)})
	if err != nil || r.Matched < len(c.clients) {
		c.s.t.Errorf("push to all: %+v %v", r, err)
	}
	c.matched.Add(int64(r.Matched))
	c.mass.Add(1)
	for _, m := range c.clients {
		m.want = append(m.want, text)
	}
}

// check compares what each client received with what it was promised: this
// caller's messages exactly and in order, the others' broadcasts without
// doubles and in each one's order.
func (c *caller) check(t *testing.T) (received int) {
	mine := strconv.Itoa(c.name) + " "
	for _, m := range append(c.clients, c.gone...) {
		complete := func() bool { return m.cut || len(only(m.log(), mine)) >= len(m.want) }
		for end := time.Now().Add(patience); !complete() && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		log := m.log()
		for _, text := range log {
			if !strings.Contains(text, " kick ") { // a kick's text is no delivery
				received++
			}
		}
		got := only(log, mine)
		if m.cut && len(got) < len(m.want) {
			m.want = m.want[:len(got)]
		}
		if strings.Join(got, "\n") != strings.Join(m.want, "\n") {
			t.Errorf("client of %d (cut %v) received %q, want %q", c.name, m.cut, got, m.want)
		}
		newest := map[string]int{}
		for _, text := range log {
			from, rest, _ := strings.Cut(text, " ")
			_, number, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(number)
			if err != nil || n <= newest[from] {
				t.Errorf("%q after number %d of the same caller", text, newest[from])
			}
			newest[from] = n
		}
	}
	for _, m := range c.gone {
		if !m.cut {
			<-m.done
			var e websocket.CloseError
			if !errors.As(m.err, &e) || e.Code != 3000 {
				t.Errorf("a kicked client ended with %v", m.err)
			}
		}
	}
	return received
}

func only(log []string, prefix string) (mine []string) {
	for _, text := range log {
		if strings.HasPrefix(text, prefix) {
			mine = append(mine, text)
		}
	}
	return mine
}
