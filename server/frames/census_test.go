package frames

import "testing"

func TestCensus(t *testing.T) {
	var c Census
	for m := range NumForms {
		c.Add(m, 1)
	}
	c.Add(Deflated8, 2)
	if c.of[WebSocket].Load() != 0 {
		t.Error("most clients are counted where all loops write")
	}
	if set, n := c.Deflated(), c.CountDeflated(); set != 1<<Deflated|1<<Deflated8 || n != 4 {
		t.Errorf("the forms %b of %d clients", set, n)
	}
	c.Add(Deflated, -1)
	if set, n := c.Deflated(), c.CountDeflated(); set != 1<<Deflated8 || n != 3 {
		t.Errorf("the forms %b of %d clients", set, n)
	}
	if c.Add(Deflated8, -3); c.Deflated() != 0 {
		t.Error("a form that nobody has any more")
	}
}
