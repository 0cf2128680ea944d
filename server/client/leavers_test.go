package client

import (
	"fmt"
	"slices"
	"testing"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// Clients leave in their order, some groups at a time, and a front is told of each once it has
// left all, if it is to be told.
func TestLeavers(t *testing.T) {
	groups := table.New(1)
	var ls Leavers
	for i := range uint32(3) {
		h := table.MakeHandle(0, i, 1)
		var in []*table.Entry
		for g := range 5 {
			e, _ := groups.Add(fmt.Sprint(i, " ", g), h)
			in = append(in, e)
		}
		ls.Add(h, in)
		if i == 1 {
			continue
		}
		if !ls.Tell(h, gateway.EventClient{Connection: i}) {
			t.Errorf("client %d is not the newest", i)
		}
		if ls.Tell(table.MakeHandle(0, i, 2), gateway.EventClient{Connection: 99}) {
			t.Error("another client is the newest")
		}
	}
	var told []uint32
	closed := func(e gateway.EventClient) { told = append(told, e.Connection) }
	for turn, want := range []struct {
		left, clients int
		told          []uint32
	}{{11, 3, nil}, {7, 2, []uint32{0}}, {3, 1, []uint32{0}}, {0, 0, []uint32{0, 2}}} {
		if !ls.Some() {
			t.Fatal("nobody is left")
		}
		if ls.Leave(4, groups, closed); groups.Len() != want.left || len(ls.list) != want.clients || !slices.Equal(told, want.told) {
			t.Errorf("turn %d: %d groups of %d clients are left, %v are told of; want %d of %d, %v", turn, groups.Len(), len(ls.list), told, want.left, want.clients, want.told)
		}
	}
	if ls.Some() || ls.list != nil {
		t.Errorf("%v are left", ls.list)
	}
	if ls.Leave(4, groups, closed); ls.Tell(table.MakeHandle(0, 2, 1), gateway.EventClient{}) {
		t.Error("one that has left is to be told of")
	}
}

// Who watches names is told of each that comes into use and goes out of it, by its kind.
func TestWatchNames(t *testing.T) {
	r := Directory{UIDs: table.New(1), Groups: table.New(1)}
	var w names
	r.WatchNames(&w)
	h := table.MakeHandle(0, 1, 1)
	var c Client
	r.Bind(h, &c, "ann")
	r.Join(h, &c, "room")
	r.Leave(h, &c, "room")
	if want := []string{fmt.Sprint("born ", gateway.UIDName, " ann"), fmt.Sprint("born ", gateway.GroupName, " room"), fmt.Sprint("gone ", gateway.GroupName, " room")}; !slices.Equal(w, want) {
		t.Errorf("%q, want %q", w, want)
	}
}

type names []string

func (n *names) NameBorn(k gateway.NameKind, name string) {
	*n = append(*n, fmt.Sprint("born ", k, " ", name))
}
func (n *names) NameGone(k gateway.NameKind, name string) {
	*n = append(*n, fmt.Sprint("gone ", k, " ", name))
}
