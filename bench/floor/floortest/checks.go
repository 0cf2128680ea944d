// Package floortest checks a floor, whatever it is written in and however it runs.
package floortest

import (
	"strings"
	"testing"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// Delivers checks that every message of every length of header reaches all clients, in
// order, and that the floor notices clients that leave.
func Delivers(t *testing.T, url string, api *control.Client) {
	t.Helper()
	for range 2 { // the second swarm finds the first gone
		s, err := swarm.Open(t.Context(), swarm.Config{URLs: []string{url}, Connections: 30})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			message := s.Stream(0).Append(nil, 0, []int{64, 1024, 1 << 16}[i%3], clock.Now())
			r, err := api.Broadcast(t.Context(), message)
			if err != nil || r.Matched != 30 || r.Dropped != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			s.Stream(0).Commit(0)
			if err := s.WaitDelivered(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if r := s.Report(); r.Err() != nil || r.Received != 30*60 {
			t.Errorf("%d received, %v", r.Received, r.Err())
		}
		s.Close()
		for connected(t, api) > 0 { // the test's time limit ends it
			time.Sleep(time.Millisecond)
		}
	}
}

// connected is how many clients a broadcast of something small reaches.
func connected(t *testing.T, api *control.Client) int {
	t.Helper()
	r, err := api.Broadcast(t.Context(), []byte("anybody?"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Matched
}

// CountsWhatIsLost checks that what a socket does not take is lost, and that the answer
// says so.
func CountsWhatIsLost(t *testing.T, url string, api *control.Client) {
	t.Helper()
	s, err := swarm.Open(t.Context(), swarm.Config{URLs: []string{url}, Connections: 2, ReceiveBuffer: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.StopReading(0, 1); err != nil {
		t.Fatal(err)
	}
	for k := 0; ; k++ {
		r, err := api.Broadcast(t.Context(), s.Stream(0).Append(nil, 0, 1<<20, clock.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if r.Dropped > 0 {
			return
		}
		if k > 100 {
			t.Fatal("100 MiB were taken for a socket that nobody reads")
		}
	}
}

// Refuses checks that a floor rejects what it does not support, and is ready for the rest.
func Refuses(t *testing.T, api *control.Client) {
	t.Helper()
	if _, err := api.PushClient(t.Context(), "c", nil); err == nil || !strings.Contains(err.Error(), "supports only all=1") {
		t.Errorf("%v", err)
	}
	if _, err := api.Broadcast(t.Context(), make([]byte, 1<<20+1)); err == nil || !strings.Contains(err.Error(), "413") {
		t.Errorf("%v", err)
	}
	if err := api.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
