package loop

import (
	"testing"

	"golang.org/x/sys/unix"

	"castgate/codec"
	"castgate/server/gateway"
	"castgate/server/kernel"
	"castgate/server/reason"
)

// neverAnswers is a hook that is asked and says nothing.
type neverAnswers struct{}

func (neverAnswers) Ask(*gateway.ConnectQuery, func(gateway.ConnectVerdict)) bool { return true }
func (neverAnswers) Busy() gateway.ConnectVerdict                                 { return gateway.ConnectVerdict{} }

// Whoever waits at the door is refused in the first turn of a drain, at whatever pace
// clients are closed, and what comes later of them finds nobody.
func TestDrainAnswersTheDoor(t *testing.T) {
	for name, change := range map[string]func(*rigConfig){
		"worker": func(c *rigConfig) { c.Events = &doorkeeper{says: gateway.AdmitLater} },
		"hook":   func(c *rigConfig) { c.Hook = neverAnswers{} },
	} {
		t.Run(name, func(t *testing.T) {
			l := idleLoopWith(t, &kernel.Linux, change)
			var waiting []connected
			for range drainSlice + 1 {
				waiting = append(waiting, l.half(t, "198.51.100.7", []byte(sinkHead)))
			}
			half := l.half(t, "198.51.100.7", []byte(sinkHead[:20]))
			for _, c := range waiting {
				if c.state != connVerifying {
					t.Fatalf("state %d before the drain", c.state)
				}
			}
			l.drain.begin(1) // a client in ten seconds
			for turns := 0; l.drain.door < l.slots.extent(); turns++ {
				if turns > 2 {
					t.Fatal("the door takes more than the turns that its clients need")
				}
				if !l.drain.due() {
					t.Fatal("no turn is due, but some wait")
				}
				l.drain.turn()
			}
			if n := l.count.Handshakes[codec.HandshakeStopping].Load(); n != drainSlice+1 {
				t.Errorf("%d of %d were refused", n, drainSlice+1)
			}
			if n := l.count.Waiters.Load(); n != 0 {
				t.Errorf("%d wait still", n)
			}
			l.waiting.readmit()
			half.sends(t, l, []byte(sinkHead[20:])) // nobody is asked any more
			if n := l.count.Handshakes[codec.HandshakeStopping].Load(); n != drainSlice+2 {
				t.Errorf("%d were refused with the last one", n)
			}
			for _, c := range append(waiting, half) {
				if c.state != connFree {
					l.exit.closeNow(c.slot, c.conn, reason.None)
				}
				_ = unix.Close(c.peer)
			}
		})
	}
}

// Clients that end for reasons of their own while others are closed are none of the
// drain's, and those that it cuts off are no more than it has closed.
func TestDrainCountsItsOwn(t *testing.T) {
	l := idleLoop(t)
	var clients []connected
	for range 4 {
		clients = append(clients, l.connect(t))
	}
	l.drain.begin(1)
	l.drain.turn() // closes the first one
	if clients[0].state != connClosing {
		t.Fatalf("state %d", clients[0].state)
	}
	l.exit.abort(clients[1].slot, clients[1].conn, reason.PingTimeout)
	l.exit.abort(clients[2].slot, clients[2].conn, reason.Gone)
	l.exit.abort(clients[0].slot, clients[0].conn, reason.Shutdown)
	l.exit.abort(clients[3].slot, clients[3].conn, reason.Shutdown) // as at the end of drain-timeout
	d := l.srv.Ends()
	if d.InOrder != 2 || d.Unanswered+d.CutOff != 2 {
		t.Errorf("%+v: closed by the drain 2, of which none has left", d)
	}
	for _, c := range clients {
		_ = unix.Close(c.peer)
	}
}
