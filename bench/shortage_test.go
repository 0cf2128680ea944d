package bench

import "testing"

// Out of descriptors, castgate keeps its clients and accepts new ones
// afterwards. gnet's engine ends with all of them: if this fails, gnet has
// changed, and ARCHITECTURE.md must change with it.
func TestShortage(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := tiny(Castgate, Gnet)
	o.Scenarios = []string{"fanout", "shortage"}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err, r.Faults)
	}
	for _, server := range []string{Castgate, Gnet} {
		if lost := figure(t, r, "fanout", "messages lost", server); lost.Max != 0 {
			t.Errorf("%s: %v messages lost", server, lost.Max)
		}
	}
	for server, want := range map[string]struct{ kept, let float64 }{
		Castgate: {shortageClients, shortageNewcomers},
		Gnet:     {0, 0},
	} {
		kept := figure(t, r, "shortage", "clients kept, of 100", server)
		let := figure(t, r, "shortage", "newcomers let in afterwards, of 10", server)
		if kept.Median != want.kept || let.Median != want.let {
			t.Errorf("%s: %v kept, %v let in, want %+v", server, kept.Median, let.Median, want)
		}
	}
}
