package main

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"castgate/bench/floor/floortest"
	"castgate/loadtest/control"
)

// floor runs all of it but main, on a free port, for the rest of the process.
func floor(t *testing.T) (url string, api *control.Client) {
	t.Helper()
	senders := []*sender{newSender(), newSender()}
	for _, s := range senders {
		go s.run()
	}
	f, err := newFront("127.0.0.1:0", senders)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = f.run() }() // until the process ends
	bound, err := unix.Getsockname(f.listener)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(newControl(senders))
	api = control.New(server.URL, "", 4)
	t.Cleanup(func() { api.Close(); server.Close() })
	addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: bound.(*unix.SockaddrInet4).Port}
	return "ws://" + addr.String() + "/", api
}

func TestFloorDeliversToAll(t *testing.T) {
	url, api := floor(t)
	floortest.Delivers(t, url, api)
}

func TestFloorCountsWhatIsLost(t *testing.T) {
	url, api := floor(t)
	floortest.CountsWhatIsLost(t, url, api)
}

func TestFloorRefuses(t *testing.T) {
	if _, err := newFront("localhost:1", nil); err == nil || !strings.Contains(err.Error(), "not an IPv4") {
		t.Errorf("%v", err)
	}
	_, api := floor(t)
	floortest.Refuses(t, api)
	if err := run("127.0.0.1:0", "nonsense"); err == nil {
		t.Error("it runs without a control port")
	}
}
