package history

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"castgate/server/gateway"
)

// asked are the reasons and counts that are remembered of somebody.
func asked(h *History, w Who) (ends, drops []string, since time.Time) {
	since = h.Ask(w, func(e *End) { ends = append(ends, e.Reason) },
		func(d *Drop) { drops = append(drops, fmt.Sprintf("%s %d", d.Reason, d.Count)) })
	return ends, drops, since
}

// What is remembered is found by uid and by client, in all books.
func TestAsk(t *testing.T) {
	h := New(2)
	h.Book(0).End(&End{Key: 1, UID: "ann", Reason: "kicked"})
	h.Book(1).End(&End{Key: 2, UID: "ann", Reason: "slow"})
	h.Book(1).End(&End{Key: 3, UID: "bob", Reason: "peer_gone"})
	h.Book(0).End(&End{Key: 4, Reason: "policy"})
	if h.Book(1).Again(3, "slow", 5, 10, 2) {
		t.Error("a drop was counted before it was told")
	}
	h.Book(1).Drop(Drop{Key: 3, UID: "bob", Reason: "slow", Count: 1})
	if !h.Book(1).Again(3, "slow", 5, 10, 2) {
		t.Error("a drop was not counted")
	}
	for _, c := range []struct {
		who   Who
		ends  string
		drops string
	}{
		{Who{UID: "ann"}, "[kicked slow]", "[]"},
		{Who{UID: "bob"}, "[peer_gone]", "[slow 2]"},
		{Who{Key: 3, ID: "c3"}, "[peer_gone]", "[slow 2]"},
		{Who{Key: 4}, "[policy]", "[]"},
		{Who{ID: "of another process"}, "[]", "[]"},
	} {
		ends, drops, _ := asked(h, c.who)
		if fmt.Sprint(ends) != c.ends || fmt.Sprint(drops) != c.drops {
			t.Errorf("%+v: ends %v, drops %v; want %s, %s", c.who, ends, drops, c.ends, c.drops)
		}
	}
}

// However many clients end, a book keeps the last of them, and says since when.
func TestEndsAreKeptInFixedMemory(t *testing.T) {
	h := New(1)
	b := h.Book(0)
	start := time.Now().UnixNano() + 1000
	const more = 100
	for i := range mostEnds + more {
		b.End(&End{At: start + int64(i), Key: uint64(i + 1), UID: "ann", Reason: "slow"})
	}
	ends, _, since := asked(h, Who{UID: "ann"})
	if len(ends) != mostEnds || since.UnixNano() != start+more-1 {
		t.Errorf("%d ends since %v, want %d since %v", len(ends), since.UnixNano(), mostEnds, start+more-1)
	}
	if len(New(256).books) != 256 || New(256).books[0].kept != leastEnds {
		t.Error("many loops remember too much")
	}
}

// Pushes that matched nobody are counted by name, and a uid is not a client.
func TestMisses(t *testing.T) {
	h := New(1)
	to := gateway.Targets{UIDs: []string{"ann"}, ClientIDs: []string{"x"}}
	h.Miss(&to)
	h.Miss(&to)
	h.Miss(&gateway.Targets{UIDs: []string{strings.Repeat("n", gateway.MaxNameLen+1)}})
	if got := h.Missed(Who{UID: "ann"}); len(got) != 1 || got[0].Count != 2 || got[0].Last.Before(got[0].First) {
		t.Errorf("ann: %+v", got)
	}
	if got := h.Missed(Who{ID: "x", Key: 9}); len(got) != 1 || got[0].Count != 2 {
		t.Errorf("x: %+v", got)
	}
	for _, w := range []Who{{UID: "x"}, {ID: "ann"}, {UID: "bob"}} {
		if got := h.Missed(w); len(got) != 0 {
			t.Errorf("%+v: %+v", w, got)
		}
	}
}

type inRoom struct{}

func (inRoom) InGroup(g string) bool { return g == "room" }

// A filter lets what it names, and nothing is made of what nobody is told.
func TestTailFilters(t *testing.T) {
	h := New(1)
	s := Subject{UID: "ann", Previous: "eve", Remote: netip.MustParseAddrPort("10.1.2.3:5"), Groups: inRoom{}}
	push := gateway.Targets{UIDs: []string{"ann"}, Groups: []string{"room"}}
	for _, c := range []struct {
		filter       gateway.TailFilter
		client, push bool
	}{
		{gateway.TailFilter{}, true, true},
		{gateway.TailFilter{UID: "ann"}, true, true},
		{gateway.TailFilter{UID: "eve"}, true, false},
		{gateway.TailFilter{UID: "bob"}, false, false},
		{gateway.TailFilter{Group: "room"}, true, true},
		{gateway.TailFilter{Group: "hall"}, false, false},
		{gateway.TailFilter{UID: "ann", Group: "hall"}, false, false},
		{gateway.TailFilter{Address: netip.MustParsePrefix("10.1.0.0/16")}, true, false},
		{gateway.TailFilter{Address: netip.MustParsePrefix("10.2.0.0/16")}, false, false},
	} {
		w, err := h.Tail(c.filter)
		if err != nil {
			t.Fatal(err)
		}
		made := false
		h.Tell(&s, func() gateway.Happening {
			made = true
			return gateway.Happening{Kind: gateway.Ended}
		})
		if got := len(w.Next()) == 1; got != c.client || made != c.client {
			t.Errorf("%+v: told of the client %v, made %v", c.filter, got, made)
		}
		before := len(w.Next())
		h.TellPush(&push, 3, 5, false)
		if got := len(w.Next()) > before; got != c.push {
			t.Errorf("%+v: told of the push %v", c.filter, got)
		}
		w.Close()
		w.Close()
		if h.Watched() {
			t.Fatal("watched by nobody")
		}
	}
}

// Who reads too slowly misses what there is no room for, counted, and holds nobody up.
func TestSlowTail(t *testing.T) {
	h := New(1)
	w, err := h.Tail(gateway.TailFilter{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const more = 50
	var pushers sync.WaitGroup
	for range 2 {
		pushers.Go(func() {
			for range (tailRoom + more) / 2 {
				h.TellPush(&gateway.Targets{All: true}, 1, 1, false)
			}
		})
	}
	pushers.Wait()
	if len(w.Next()) != tailRoom || w.Dropped() != more {
		t.Errorf("%d wait and %d were missed, want %d and %d", len(w.Next()), w.Dropped(), tailRoom, more)
	}
}

// Only so many may watch.
func TestMostTails(t *testing.T) {
	h := New(1)
	for i := range MostTails {
		w, err := h.Tail(gateway.TailFilter{})
		if err != nil {
			t.Fatalf("tail %d: %v", i, err)
		}
		defer w.Close()
	}
	if _, err := h.Tail(gateway.TailFilter{}); err == nil {
		t.Error("one too many watches")
	}
}

// What a push names is told in part, copied.
func TestTellPush(t *testing.T) {
	h := New(1)
	w, _ := h.Tail(gateway.TailFilter{})
	defer w.Close()
	var to gateway.Targets
	for i := range 20 {
		to.Groups = append(to.Groups, fmt.Sprint(i))
	}
	h.TellPush(&to, 3, 5, true)
	got := <-w.Next()
	if got.Kind != gateway.Pushed || got.Names != 20 || len(got.To.Groups) != gateway.MaxToldNames || got.Matched != 3 || got.Bytes != 5 || !got.Binary || got.At.IsZero() {
		t.Errorf("%+v", got)
	}
}

// While nobody watches, telling costs next to nothing and allocates nothing.
func BenchmarkNobodyWatches(b *testing.B) {
	h := New(1)
	to := gateway.Targets{UIDs: []string{"ann"}}
	b.ReportAllocs()
	for b.Loop() {
		h.TellPush(&to, 1, 1, false)
	}
}
