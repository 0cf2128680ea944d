package loop

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"castgate/server/client"
	"castgate/server/gateway"
	"castgate/server/internal/table"
	"castgate/server/kernel"
	"castgate/server/reason"
	"castgate/server/token"
)

// farewells is told of ends, and says how many groups there are meanwhile.
type farewells struct {
	hearer
	loop   *loop
	groups []int
}

func (f *farewells) Closed(gateway.EventClient) {
	f.groups = append(f.groups, f.loop.srv.Registry.Groups.Len())
}

// inGroups makes a client that is in n groups of its own, and returns a name of one.
func (l *loop) inGroups(t *testing.T, name string, n int) (c connected, h table.Handle) {
	t.Helper()
	c = l.connect(t)
	groups := make([]string, n)
	for i := range groups {
		groups[i] = fmt.Sprint(name, " ", i)
	}
	r := l.srv.Registry
	h = l.handle(c.slot, c.conn)
	r.Lookup(h, func(cl *client.Client) {
		for _, g := range groups {
			r.Join(h, cl, g)
		}
	})
	return c, h
}

// Clients that end together leave thousands of groups some at a time, in their
// order. Nobody finds them any more meanwhile, and their end is told behind it.
func TestLeaversOfManyGroups(t *testing.T) {
	f := &farewells{}
	l := idleLoopWith(t, &kernel.Linux, func(c *rigConfig) { c.Events = f })
	f.loop = l
	const clients, each = 3, 2 * turnLeaves
	var ids []table.Handle
	var all []connected
	for i := range clients {
		c, id := l.inGroups(t, fmt.Sprint(i), each)
		all, ids = append(all, c), append(ids, id)
	}
	few, _ := l.inGroups(t, "few", 10)
	l.exit.closeNow(few.slot, few.conn, reason.Gone)
	if !slices.Equal(f.groups, []int{clients * each}) {
		t.Fatalf("a client of few groups: %v", f.groups)
	}
	f.groups = nil
	for _, c := range all {
		l.exit.closeNow(c.slot, c.conn, reason.Gone)
	}
	if n := l.srv.Registry.Groups.Len(); n < clients*each-client.ManyGroups {
		t.Fatalf("%d groups are left before a turn", n)
	}
	if slices.ContainsFunc(ids, l.srv.Registry.Online) {
		t.Error("a client is online that has gone")
	}
	for turns := 0; l.exit.busy(); turns++ {
		before := l.srv.Registry.Groups.Len()
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
		if n := before - l.srv.Registry.Groups.Len(); n != turnLeaves || turns > clients*each/turnLeaves {
			t.Fatalf("turn %d: %d groups were left", turns, n)
		}
	}
	if want := []int{2 * each, each, 0}; !slices.Equal(f.groups, want) {
		t.Errorf("their ends are told when there are %v groups, want %v", f.groups, want)
	}
}

// A kick is done with all groups when it returns, whatever they are, and so is the
// end of a loop.
func TestKicksLeaveAtOnce(t *testing.T) {
	l := idleLoop(t)
	_, id := l.inGroups(t, "kicked", 2000)
	if n := l.srv.KickOne(id, ReplaceOrder); n != 1 {
		t.Fatal(n)
	}
	if n := l.srv.Registry.Groups.Len(); n != 0 {
		t.Errorf("%d groups are left by a kick", n)
	}
	c, _ := l.inGroups(t, "gone", 2000)
	l.exit.closeNow(c.slot, c.conn, reason.Gone)
	l.exit.leaveSome(2000)
	if n := l.srv.Registry.Groups.Len(); n != 0 || l.exit.busy() {
		t.Errorf("%d groups are left, %v", n, l.exit.leaving)
	}
}

// A flood of good tokens with many groups is taken up a client a turn, and holds up
// nothing that comes behind it.
func TestTokensOfManyGroupsTakeTurns(t *testing.T) {
	l := idleLoop(t)
	groups := make([]string, 4096)
	for i := range groups {
		groups[i] = fmt.Sprint(i)
	}
	const clients = 5
	for range clients {
		c := l.connect(t)
		c.state = connVerifying
		l.entrance.onToken(l.handle(c.slot, c.conn), request{})(token.Identity{Groups: groups}, token.ErrInvalid)
	}
	last := false
	l.mail.post(command{kind: cmdFunc, run: func(*loop) { last = true }})
	for turn := 1; turn <= clients; turn++ {
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
		if n := l.count.Tokens[token.ErrInvalid.Reason].Load(); n != uint64(turn) || !last {
			t.Fatalf("%d after %d turns, what came behind them: %t", n, turn, last)
		}
	}
	if l.entrance.joining != nil {
		t.Error("something is left")
	}
}

func BenchmarkManyGroups(b *testing.B) {
	l := idleLoop(b)
	h := l.handle(0, &conn{gen: 1})
	names := make([]string, 4096)
	for i := range names {
		names[i] = fmt.Sprint("group ", i)
	}
	var joining, leaving time.Duration
	for b.Loop() {
		var set client.Groups
		begun := time.Now()
		for _, name := range names {
			e, _ := l.srv.Registry.Groups.Add(name, h)
			set.Add(e)
		}
		joined := time.Now()
		for _, e := range set.Many() {
			l.srv.Registry.Groups.Remove(e, h)
		}
		joining, leaving = joining+joined.Sub(begun), leaving+time.Since(joined)
	}
	b.ReportMetric(float64(joining.Nanoseconds())/float64(b.N*len(names)), "ns/join")
	b.ReportMetric(float64(leaving.Nanoseconds())/float64(b.N*len(names)), "ns/leave")
}
