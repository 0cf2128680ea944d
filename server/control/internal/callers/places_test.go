package callers

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

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
func crowd(p *places, addrs ...string) (all []*Conn) {
	for _, a := range addrs {
		c := &Conn{Conn: nopConn{}, listener: &Listener{places: p}, addr: netip.MustParseAddr(a)}
		c.Become(New)
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
		c := &Conn{Conn: nopConn{}, addr: netip.MustParseAddr(fmt.Sprintf("10.0.1.%d", i))}
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
		c := &Conn{Conn: nopConn{}, addr: netip.MustParseAddr(fmt.Sprintf("10.0.1.%d", i))}
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
		c.Become(Serving)
	}
	if _, ok := p.enter(&Conn{}); ok {
		t.Error("a place where there is none")
	}
	all[3].state.Store(int64(state((now()-int64(strangerTime))*int64(kinds) + int64(Serving))))
	if other, ok := p.enter(&Conn{}); !ok || other != all[3] || !other.evicted() {
		t.Error("the one that does not take its answer stays")
	}
	if all[3].Become(Serving) {
		t.Error("it is served all the same")
	}
}

// TestDemoted: a caller whose request is refused becomes a stranger again, and
// its place is free.
func TestDemoted(t *testing.T) {
	p := newPlaces(func() int { return 1 })
	all := crowd(p, "::1", "::2")
	if err := all[0].LetIn("one", 2); err != nil {
		t.Fatal(err)
	}
	all[0].Become(Serving)
	if err := all[1].LetIn("two", 2); !errors.Is(err, ErrCrowded) {
		t.Errorf("beside one that is served: %v", err)
	}
	all[0].KeepOut()
	if err := all[1].LetIn("two", 2); err != nil {
		t.Errorf("in the place of one that was refused: %v", err)
	}
	if err := all[1].LetIn("three", 2); err != nil || all[1].owner.key != "three" {
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
