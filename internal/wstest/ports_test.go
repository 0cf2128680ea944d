package wstest

import "testing"

// A port is not given out again while others are left: a node of a cluster gave its
// neighbour's port to its own control API.
func TestFreePortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 2000 {
		port := FreePort(t)
		if seen[port] {
			t.Fatalf("port %d comes twice", port)
		}
		seen[port] = true
	}
}
