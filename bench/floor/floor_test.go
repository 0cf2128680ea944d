package main

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"castgate/loadtest"
)

// floor runs all of it but main, on a free port, for the rest of the process.
func floor(t *testing.T) (url string, control *loadtest.Control) {
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
	api := httptest.NewServer(newControl(senders))
	control = loadtest.NewControl(api.URL, "", 4)
	t.Cleanup(func() { control.Close(); api.Close() })
	addr := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: bound.(*unix.SockaddrInet4).Port}
	return "ws://" + addr.String() + "/", control
}

func TestFloorDeliversToAll(t *testing.T) {
	url, control := floor(t)
	for range 2 { // the second swarm finds the first gone
		s, err := loadtest.Open(t.Context(), loadtest.Config{URLs: []string{url}, Connections: 30})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			payload := s.Stream(0).Append(nil, 0, 64, loadtest.Now())
			r, err := control.Broadcast(t.Context(), payload)
			if err != nil || r.Matched != 30 || r.Dropped != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			s.Stream(0).Commit(0)
		}
		if err := s.WaitDelivered(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := s.Report()
		if err := r.Err(); err != nil || r.Received != 600 {
			t.Errorf("%d received, %v", r.Received, err)
		}
		s.Close()
		for connected(t, control) > 0 { // the test's time limit ends it
			time.Sleep(time.Millisecond)
		}
	}
}

// connected is how many clients a broadcast of something small would reach.
func connected(t *testing.T, control *loadtest.Control) int {
	t.Helper()
	r, err := control.Broadcast(t.Context(), []byte("anybody?"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Matched
}

// What a socket does not take is lost, and said to be.
func TestFloorCountsWhatIsLost(t *testing.T) {
	url, control := floor(t)
	s, err := loadtest.Open(t.Context(), loadtest.Config{URLs: []string{url}, Connections: 2, ReceiveBuffer: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.StopReading(0, 1); err != nil {
		t.Fatal(err)
	}
	for k := 0; ; k++ {
		payload := s.Stream(0).Append(nil, 0, 1<<20, loadtest.Now())
		r, err := control.Broadcast(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		if r.Dropped > 0 {
			break
		}
		if k > 100 {
			t.Fatal("100 MiB were taken for a socket that nobody reads")
		}
	}
}

func TestFloorRefuses(t *testing.T) {
	if _, err := newFront("localhost:1", nil); err == nil || !strings.Contains(err.Error(), "not an IPv4") {
		t.Errorf("%v", err)
	}
	_, control := floor(t)
	if _, err := control.PushClient(t.Context(), "c", nil); err == nil || !strings.Contains(err.Error(), "supports only all=1") {
		t.Errorf("%v", err)
	}
	if _, err := control.Broadcast(t.Context(), make([]byte, maxBody+1)); err == nil || !strings.Contains(err.Error(), "413") {
		t.Errorf("%v", err)
	}
	if err := control.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := run("127.0.0.1:0", "nonsense"); err == nil {
		t.Error("it runs without a control port")
	}
}
