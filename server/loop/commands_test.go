package loop

import (
	"testing"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// What a loop has carried out, it forgets: no frame stays in its lists.
func TestIdleLoopHoldsNoFrames(t *testing.T) {
	l := idleLoop(t)
	c := l.connect(t)
	defer l.disconnect(c)
	h := []table.Handle{l.handle(c.slot, c.conn)}
	for range 2 { // both lists, which change places
		for i := range 50 {
			if _, err := l.srv.PushList(Delivery{Message: gateway.Message{Payload: make([]byte, i)}}, h); err != nil {
				t.Fatal(err)
			}
		}
		for l.mail.rung.Load() {
			if err := l.turn(); err != nil {
				t.Fatal(err)
			}
		}
		for _, list := range [][]command{l.commands.batch[:cap(l.commands.batch)], l.mail.commands[:cap(l.mail.commands)]} {
			for i := range list {
				if list[i].frame != nil {
					t.Errorf("command %d holds a frame", i)
				}
			}
		}
	}
	if n := l.srv.Stats().Written; n != 100 {
		t.Errorf("%d of 100 pushes were written", n)
	}
}
