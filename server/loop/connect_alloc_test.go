//go:build !race

package loop

import (
	"testing"
)

// TestConnectAllocations: a handshake whose answer the socket takes allocates
// nothing. (Slots, timers and names come in chunks for many.)
func TestConnectAllocations(t *testing.T) {
	l := idleLoop(t)
	if n := testing.AllocsPerRun(500, func() { l.disconnect(l.connect(t)) }); n > 0 {
		t.Errorf("%v allocations for a connection", n)
	}
}
