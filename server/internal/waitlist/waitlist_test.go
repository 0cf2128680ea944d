package waitlist

import (
	"net/netip"
	"strings"
	"testing"
)

// Networks take turns, each in its order; one that is refused waits for the next pass,
// and what all held is given back.
func TestTurns(t *testing.T) {
	l := New[string](1 << 20)
	crowd, other := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("203.0.113.1")
	for _, who := range []string{"a", "b", "c"} {
		if l.Add(who, crowd, 100) == nil {
			t.Fatal("no room")
		}
	}
	gone := l.Add("gone", crowd, 100)
	l.Add("x", other, 50)
	l.Remove(gone)
	if bytes, networks := l.Held(); bytes != 350 || networks != 2 || !l.Waits(other) {
		t.Errorf("%d bytes of %d networks", bytes, networks)
	}
	if l.Next() != nil {
		t.Error("somebody is asked for before a pass has begun")
	}
	var order []string
	pass := func(refuse netip.Addr) {
		l.Begin()
		for line := l.Next(); line != nil; line = l.Next() {
			if line.Address == refuse {
				l.Refused(line)
				continue
			}
			p := l.First(line)
			l.Remove(p)
			order = append(order, p.Who)
		}
	}
	pass(other)
	l.Add("d", crowd, 100)
	pass(netip.Addr{})
	if got := strings.Join(order, ""); got != "abcxd" {
		t.Errorf("let in in the order %q", got)
	}
	if bytes, networks := l.Held(); bytes != 0 || networks != 0 {
		t.Errorf("%d bytes of %d networks are left", bytes, networks)
	}
}

// Who would hold more than there is for all does not wait.
func TestRoom(t *testing.T) {
	l := New[int](1000)
	from := netip.MustParseAddr("198.51.100.7")
	first := l.Add(1, from, 400)
	if first == nil || l.Add(2, from, 700) != nil {
		t.Error("more waits than there is room for")
	}
	l.Remove(first)
	if l.Waits(from) || l.Add(3, from, 400) == nil {
		t.Error("what one held who left is not free again")
	}
}
