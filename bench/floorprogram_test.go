package bench

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"castgate/loadtest"
)

// bothFloors runs f with the floor in C and the one in Go.
func bothFloors(t *testing.T, f func(*testing.T, *server)) {
	for _, name := range []string{Floor, FloorGo} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(compiler); name == Floor && err != nil && os.Getenv("CI") != "true" {
				t.Skip("no C compiler")
			}
			dir := t.TempDir()
			binary, err := build(t.Context(), "..", dir, name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := start(t.Context(), name, binary, 2)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.stop(); err != nil {
					t.Error(err)
				}
			})
			f(t, s)
		})
	}
}

// Both deliver every message of every length of header to all, in order, and see who
// has gone.
func TestFloorsDeliver(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) {
		for range 2 { // the second swarm finds the first gone
			swarm, err := loadtest.Open(t.Context(), loadtest.Config{URLs: []string{s.url}, Connections: 30})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 60 {
				size := []int{64, 1024, 1 << 16}[i%3]
				payload := swarm.Stream(0).Append(nil, 0, size, loadtest.Now())
				r, err := s.control.Broadcast(t.Context(), payload)
				if err != nil || r.Matched != 30 || r.Dropped != 0 {
					t.Fatalf("%+v, %v", r, err)
				}
				swarm.Stream(0).Commit(0)
				if err := swarm.WaitDelivered(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if r := swarm.Report(); r.Err() != nil || r.Received != 30*60 {
				t.Errorf("%d received, %v", r.Received, r.Err())
			}
			swarm.Close()
			for connected(t, s) > 0 { // the test's time limit ends it
				time.Sleep(time.Millisecond)
			}
		}
	})
}

// connected is how many clients a broadcast of something small reaches.
func connected(t *testing.T, s *server) int {
	t.Helper()
	r, err := s.control.Broadcast(t.Context(), []byte("anybody?"))
	if err != nil {
		t.Fatal(err)
	}
	return r.Matched
}

// What a socket does not take is lost, and the answer says so.
func TestFloorsCountWhatIsLost(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) {
		swarm, err := loadtest.Open(t.Context(), loadtest.Config{URLs: []string{s.url}, Connections: 2, ReceiveBuffer: 32 << 10})
		if err != nil {
			t.Fatal(err)
		}
		defer swarm.Close()
		if err := swarm.StopReading(0, 1); err != nil {
			t.Fatal(err)
		}
		for k := 0; ; k++ {
			r, err := s.control.Broadcast(t.Context(), swarm.Stream(0).Append(nil, 0, 1<<20, loadtest.Now()))
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
	})
}

func TestFloorsRefuse(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) {
		if _, err := s.control.PushClient(t.Context(), "c", nil); err == nil || !strings.Contains(err.Error(), "supports only all=1") {
			t.Errorf("%v", err)
		}
		if _, err := s.control.Broadcast(t.Context(), make([]byte, 1<<20+1)); err == nil || !strings.Contains(err.Error(), "413") {
			t.Errorf("%v", err)
		}
		if err := s.control.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A result names the floor that it was measured against.
func TestFloorIsNamed(t *testing.T) {
	_, err := exec.LookPath(compiler)
	if got := floorLanguage(t.Context()); strings.HasPrefix(got, "C, ") != (err == nil) {
		t.Errorf("%q, compiler: %v", got, err)
	}
}
