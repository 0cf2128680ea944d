package openfiles

import (
	"strings"
	"testing"
)

func TestReserveLeavesRoomForAll(t *testing.T) {
	for _, open := range []uint64{600, 1024, 20_000, 1 << 20} {
		reserve := ReserveFor(open)
		refusing, control := reserve/4, reserve/2
		// The process itself needs its standard streams, listeners, for each loop
		// an epoll, a bell, a ticker and the poller's own eventfd, and a spare.
		if own := 10 + 4*2; reserve-refusing-control < own {
			t.Errorf("of %d files %d are reserved: %d refused clients and %d backends leave less than %d", open, reserve, refusing, control, own)
		}
		if uint64(reserve) > open/4 {
			t.Errorf("%d of %d files reserved", reserve, open)
		}
	}
}

func TestDivide(t *testing.T) {
	const most = 1 << 30
	all, err := Divide(0, 0, most)
	if err != nil || all.MaxConns+all.Reserve != int(all.Open) || all.Refusing < 1 || all.Refusing >= all.Reserve {
		t.Fatalf("%+v %v", all, err)
	}
	if _, err := Divide(all.MaxConns+1, 0, most); err == nil || !strings.HasPrefix(err.Error(), "max-conns: ") {
		t.Errorf("more clients than files: %v", err)
	}
	if f, err := Divide(10, 50, most); err != nil || f.MaxConns != 10 || f.Reserve != 50 {
		t.Errorf("%+v %v", f, err)
	}
	if f, err := Divide(0, 0, 7); err != nil || f.MaxConns != 7 {
		t.Errorf("at most 7 clients: %+v %v", f, err)
	}
	if _, err := Divide(0, int(all.Open), most); err == nil || !strings.HasPrefix(err.Error(), "reserve-files: ") {
		t.Errorf("a reserve of all files: %v", err)
	}
}
