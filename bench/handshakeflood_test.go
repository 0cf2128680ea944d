package bench

import "testing"

// Clients are measured beside every kind of flood, and lose nothing.
func TestFloods(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := tiny(Castgate)
	o.Scenarios = []string{"flood"}
	r, err := Run(t.Context(), o)
	if err != nil || len(r.Faults) > 0 {
		t.Fatal(err, r.Faults)
	}
	if f := figure(t, r, floodQuiet, "unicast p99", CastgateWSS); f.Median <= 0 {
		t.Errorf("%+v", f)
	}
	for _, kind := range floodKinds {
		if f := figure(t, r, "flood, "+kind, "unicast p99", CastgateWSS+", by none"); f.Median <= 0 {
			t.Errorf("%+v", f)
		}
		figure(t, r, "flood, "+kind, "TLS handshakes a second, ended in any way", CastgateWSS)
	}
}

// A flood that cannot start, or does nothing, is an error.
func TestFloodThatFails(t *testing.T) {
	if _, err := startFlood("/nowhere", "127.0.0.1:1", "hellos"); err == nil {
		t.Error("no program, no error")
	}
	f, err := startFlood("/bin/true", "127.0.0.1:1", "hellos")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.stop(); err == nil {
		t.Error("a flood that did nothing, and no error")
	}
}
