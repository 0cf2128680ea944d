package bench

import (
	"fmt"
	"slices"
	"testing"
)

// Every row of the cost table is present and correct: nothing is lost, TLS is
// used, and compressed messages are shorter.
func TestCost(t *testing.T) {
	if testing.Short() {
		t.Skip("measures with real programs")
	}
	o := tiny(Castgate, Floor, Gorilla)
	o.Scenarios = []string{"cost"}
	r, err := Run(t.Context(), o)
	if err != nil || len(r.Faults) > 0 {
		t.Fatal(err, r.Faults)
	}
	rows := []string{Castgate, CastgateDeflate, CastgateWSS, CastgateWSSDeflate, Floor}
	if len(r.Skipped) == 0 {
		rows = append(rows, Gorilla, GorillaWSS)
	}
	wire := map[string]float64{}
	for _, row := range rows {
		figure(t, r, "cost, memory", "PSS a connection", row)
		for _, scenario := range []string{"cost, connect", "cost, connect again"} {
			if f := figure(t, r, scenario, "CPU a connect", row); f.Median <= 0 {
				t.Errorf("%+v", f)
			}
		}
		for _, load := range []string{"2/s", "16 in flight"} {
			scenario := fmt.Sprintf("cost, %d B, %s", costLarge, load)
			if f := figure(t, r, scenario, "CPU a message", row); f.Median <= 0 {
				t.Errorf("%+v", f)
			}
			wire[row+", "+load] = figure(t, r, scenario, "bytes a message on the wire", row).Median
			if row != Floor {
				figure(t, r, scenario, "CPU a message", row+" / floor")
			}
			if find(row).configure == nil {
				figure(t, r, fmt.Sprintf("cost, %d B, %s", o.Size, load), "CPU a message", row)
			}
		}
	}
	plain := wire[Floor+", 2/s"]
	for row, shortest := range map[string]float64{Castgate: plain, CastgateWSS: plain + 20, CastgateDeflate: plain / 5, CastgateWSSDeflate: plain / 5} {
		if n := wire[row+", 2/s"]; n < shortest || n > shortest+plain/3 {
			t.Errorf("%s: %v bytes a message, the floor %v", row, n, plain)
		}
	}
	for row, want := range map[string]float64{CastgateWSS: 1, CastgateWSSDeflate: 1} {
		const name = "part of TLS handshakes that were resumed"
		if f := figure(t, r, "cost, connect", name, row); f.Max != 0 {
			t.Errorf("%+v", f)
		}
		// The first few have no session yet.
		if f := figure(t, r, "cost, connect again", name, row); f.Min < want {
			t.Errorf("%+v", f)
		}
	}
}

// Variants use another server's program and cannot be requested; their faults
// are that server's.
func TestVariants(t *testing.T) {
	for _, v := range variants {
		if slices.Contains(Servers, v.name) || find(v.name) == nil || programOf(v.name) != v.of || isRival(v.name) != isRival(v.of) {
			t.Errorf("%+v", v)
		}
	}
	for server, all := range costVariants {
		for _, as := range all {
			if as != "" && programOf(as) != server {
				t.Errorf("%s is no variant of %s", as, server)
			}
		}
	}
}
