package loop

import (
	"net/netip"
	"testing"

	"castgate/codec"
	"castgate/server/admission"
)

// A loop with more connections than a walk looks at in one turn counts them all,
// and one that was accepted before the limit was known is counted on adoption.
func TestRecountInTurns(t *testing.T) {
	l := idleLoop(t)
	const many = recountSlots + 100
	for range many {
		l.half(t, "203.0.113.7", []byte("GET"))
	}
	late, _ := socketPair(t)
	arriveAt(t, l, late) // not taken in yet
	done := make(chan struct{}, 1)
	if _, err := l.srv.admission.Set(admission.Policy{MaxConnsPerIP: many + 10}); err != nil {
		t.Fatal(err)
	}
	l.entrance.recountFrom(0, done)
	for turns := 0; len(done) == 0; turns++ {
		if turns > 3 {
			t.Fatal("the walk does not end")
		}
		if err := l.turn(); err != nil {
			t.Fatal(err)
		}
	}
	l.entrance.takeIn()
	for i := range 11 {
		want := codec.HandshakeOK
		if i == 10 {
			want = codec.HandshakeTooMany
		}
		if got := l.srv.admission.Connect(netip.MustParseAddr("203.0.113.7")).Refusal; got != want {
			t.Fatalf("connection %d more: %v, want %v", i, got, want)
		}
	}
	if got := l.srv.admission.Addresses(); got != 2 {
		t.Errorf("%d addresses, want that of the late one too", got)
	}
}
