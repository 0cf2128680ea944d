package gatewayworker

import "testing"

// A client goes to the worker with the fewest clients, the one that attached first among
// equals, and to a stuck one only if all are. A worker that comes back under its key has its
// clients again, and counts from 0.
func TestWorkersChoose(t *testing.T) {
	q := newStillLoop(t, nil).queue
	ws := newWorkers(RouteLeast, q)
	if ws.choose() != nil {
		t.Error("a worker is chosen that is not there")
	}
	conns := map[string]*innerConn{}
	for _, key := range []string{"a", "b", "c"} {
		conns[key] = &innerConn{}
		if old := ws.attach(key, conns[key]); old != nil {
			t.Errorf("%s replaces somebody", key)
		}
	}
	got := ""
	for i := range uint32(7) {
		w := ws.choose()
		ws.bind(i, w)
		got += w.key
	}
	ws.unbind(1) // of b
	got += ws.choose().key
	ws.byKey["b"].stuck = true
	got += ws.choose().key
	ws.byKey["b"].stuck, ws.byKey["c"].stuck, ws.byKey["c"].clients = false, true, 0
	got += ws.choose().key // the last in the list is stuck
	ws.byKey["b"].stuck, ws.byKey["c"].clients = true, 2
	ws.byKey["a"].stuck = true
	got += ws.choose().key
	if got != "abcabca"+"b"+"c"+"b"+"b" {
		t.Errorf("chosen: %s", got)
	}
	if q.bound.Load() != 6 || ws.byKey["a"].clients != 3 || ws.byKey["a"].bound != 3 || ws.stuckCount() != 3 {
		t.Errorf("%d are bound, a has %d of %d, %d are stuck", q.bound.Load(), ws.byKey["a"].clients, ws.byKey["a"].bound, ws.stuckCount())
	}
	a := ws.byKey["a"]
	ws.detach(conns["a"])
	if conns["a"].worker != nil || a.conn != nil || a.stuck || ws.byKey["a"] != a || len(ws.list) != 2 {
		t.Error("a worker that has left is not remembered while it has clients")
	}
	ws.attach("a", conns["a"])
	if ws.of[0] != a || a.clients != 0 || a.bound != 3 || ws.choose() != a {
		t.Errorf("a worker that came back counts %d of %d", a.clients, a.bound)
	}
	next := &innerConn{}
	if old := ws.attach("a", next); old != conns["a"] || old.worker != nil || next.worker != a || len(ws.list) != 3 {
		t.Error("a second one under the key does not replace the first")
	}
	ws.detach(next)
	for i := range uint32(7) {
		ws.unbind(i)
		ws.unbind(i)
	}
	if q.bound.Load() != 0 || ws.byKey["a"] != nil || a.clients != 0 || a.bound != 0 {
		t.Errorf("%d are bound, a has %d of %d", q.bound.Load(), a.clients, a.bound)
	}
	ws.detach(conns["b"])
	if ws.byKey["b"] != nil || len(ws.list) != 1 {
		t.Error("a worker without clients is remembered")
	}
}

// A client that is bound again leaves the worker that it had.
func TestWorkersBindAgain(t *testing.T) {
	q := newStillLoop(t, nil).queue
	ws := newWorkers(RouteRandom, q)
	ws.attach("a", &innerConn{})
	ws.attach("b", &innerConn{})
	a, b := ws.byKey["a"], ws.byKey["b"]
	ws.bind(1, a)
	ws.bind(1, b)
	if a.clients+a.bound != 0 || b.clients+b.bound != 2 || q.bound.Load() != 1 {
		t.Errorf("a has %d of %d, b %d of %d, %d are bound", a.clients, a.bound, b.clients, b.bound, q.bound.Load())
	}
	a.stuck = true
	for range 50 {
		if ws.choose() != b {
			t.Fatal("a stuck worker is chosen")
		}
	}
	if b.stuck = true; ws.choose() == nil {
		t.Error("nobody is chosen although two are there")
	}
}
