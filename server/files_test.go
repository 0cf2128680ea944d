package server

import "testing"

func TestReserveLeavesRoomForAll(t *testing.T) {
	for _, open := range []uint64{600, 1024, 20_000, 1 << 20} {
		reserve := ReserveFor(open)
		refusing, control := reserve/4, reserve/2
		// The process itself: standard streams, listeners, per loop an epoll,
		// a bell, a ticker and the poller's own eventfd, the spare.
		if own := 10 + 4*2; reserve-refusing-control < own {
			t.Errorf("of %d files %d are reserved: %d refused clients and %d backends leave less than %d", open, reserve, refusing, control, own)
		}
		if uint64(reserve) > open/4 {
			t.Errorf("%d of %d files reserved", reserve, open)
		}
	}
}

func TestFileLimits(t *testing.T) {
	c := Defaults()
	all, err := newFileLimits(&c)
	if err != nil || all.maxConns+all.reserve != int(all.open) {
		t.Fatalf("%+v %v", all, err)
	}
	c.MaxConns = all.maxConns + 1
	if _, err := newFileLimits(&c); err == nil {
		t.Error("more clients than files were allowed")
	}
	c.MaxConns, c.ReserveFiles = 10, 50
	if f, err := newFileLimits(&c); err != nil || f.maxConns != 10 || f.reserve != 50 {
		t.Errorf("%+v %v", f, err)
	}
	c.ReserveFiles = int(all.open)
	if _, err := newFileLimits(&c); err == nil {
		t.Error("a reserve of all files was allowed")
	}
}
