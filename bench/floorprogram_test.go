package bench

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"castgate/bench/floor/floortest"
)

// floors build each of the two once, for all tests.
var floors = map[string]func() (string, error){
	Floor:   buildFloor,
	FloorGo: sync.OnceValues(func() (string, error) { return buildForAll(FloorGo) }),
}

// bothFloors runs f with the floor in C and the one in Go.
func bothFloors(t *testing.T, f func(*testing.T, *server)) {
	for _, name := range []string{Floor, FloorGo} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(compiler); name == Floor && err != nil && os.Getenv("CI") != "true" {
				t.Skip("no C compiler")
			}
			binary, err := floors[name]()
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

func TestFloorsDeliver(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) { floortest.Delivers(t, s.url, s.control) })
}

func TestFloorsCountWhatIsLost(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) { floortest.CountsWhatIsLost(t, s.url, s.control) })
}

func TestFloorsRefuse(t *testing.T) {
	bothFloors(t, func(t *testing.T, s *server) { floortest.Refuses(t, s.control) })
}

// A result names the floor that it was measured against.
func TestFloorIsNamed(t *testing.T) {
	_, err := exec.LookPath(compiler)
	if got := floorLanguage(t.Context()); strings.HasPrefix(got, "C, ") != (err == nil) {
		t.Errorf("%q, compiler: %v", got, err)
	}
}
