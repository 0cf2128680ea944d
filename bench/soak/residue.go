package soak

import (
	"context"
	"fmt"
	"time"

	"castgate/bench/gateway"
	"castgate/loadtest"
	"castgate/loadtest/pushing"
)

// goroutineSlack allows for goroutines of the runtime and of a control request
// that is ending.
const goroutineSlack = 4

// settlePoll is how often to check whether everything is gone. Each check
// allocates in the gateway, which returns memory only when it is quiet.
const settlePoll = time.Second

// empty are samples of /metrics that must be 0 when nobody is connected.
var empty = []string{
	"castgate_connections", "castgate_sockets", "castgate_uids", "castgate_groups", "castgate_addresses",
	"castgate_deliveries_queued", "castgate_queue_bytes", "castgate_panics_total",
}

// unsettled lists what the counters still hold, or hold wrongly, when all
// clients have left.
func unsettled(m map[string]float64) (all []string) {
	for _, name := range empty {
		if v, there := m[name]; !there || v != 0 {
			all = append(all, fmt.Sprintf("%s is %.0f (present: %v), not 0", name, v, there))
		}
	}
	sum := func(name string) float64 { return m["castgate_"+name] }
	ended := sum("deliveries_total")
	if matched := sum("deliveries_matched_total"); matched != ended || matched == 0 {
		all = append(all, fmt.Sprintf("%.0f deliveries matched, %.0f written or dropped", matched, ended))
	}
	if shaken, closed := m[`castgate_handshakes_total{result="ok"}`], sum("closes_total"); shaken != closed || shaken == 0 {
		all = append(all, fmt.Sprintf("%.0f handshakes done, %.0f clients gone", shaken, closed))
	}
	// Sockets refused because the gateway was full were never accepted.
	if decided, accepted := sum("handshakes_total")-m[`castgate_handshakes_total{result="busy"}`], sum("accepted_total"); decided != accepted {
		all = append(all, fmt.Sprintf("%.0f sockets accepted, %.0f handshakes ended", accepted, decided))
	}
	return all
}

// remains lists what the soak has left behind, compared with the weight before
// it.
func remains(before, now gateway.Weight, slack int64) (all []string) {
	if files, were := now.Files-now.Control, before.Files-before.Control; files > were {
		all = append(all, fmt.Sprintf("%d descriptors besides control connections, %d before", files, were))
	}
	if n, were := now.Goroutines-now.Control, before.Goroutines-before.Control; n > were+goroutineSlack {
		all = append(all, fmt.Sprintf("%d goroutines besides control connections, %d before", n, were))
	}
	if now.PSS > before.PSS+slack {
		all = append(all, fmt.Sprintf("%.1f MiB PSS, %.1f before", mib(now.PSS), mib(before.PSS)))
	}
	return all
}

// settled waits until the counters and, if before is given, the weight are
// right, but no longer than patience after the rest; it returns what was still
// wrong then.
func (s *soak) settled(ctx context.Context, before *gateway.Weight) (now gateway.Weight, counters map[string]float64, wrong []string, err error) {
	for begun := time.Now(); ; {
		if counters, err = s.gateway.Control.Metrics(ctx); err != nil {
			return now, nil, nil, err
		}
		rested := time.Since(begun) >= s.Rest
		if now, err = s.gateway.Weigh(ctx, ""); err != nil {
			return now, nil, nil, err
		}
		wrong = unsettled(counters)
		if before != nil {
			wrong = append(wrong, remains(*before, now, s.Slack)...)
		}
		// Without a weight to compare with, it must rest: its heap goes back to
		// the system bit by bit.
		if len(wrong) == 0 && (rested || before != nil) || time.Since(begun) > s.Rest+s.Patience {
			return now, counters, wrong, nil
		}
		select {
		case <-ctx.Done():
			return now, counters, wrong, context.Cause(ctx)
		case <-time.After(settlePoll):
		}
	}
}

// counted compares the gateway's counters between two readings with what the
// swarm has seen.
func counted(before, now map[string]float64, r *loadtest.Result) (wrong []string) {
	since := func(name string) float64 { return now["castgate_"+name] - before["castgate_"+name] }
	if shaken := now[`castgate_handshakes_total{result="ok"}`] - before[`castgate_handshakes_total{result="ok"}`]; int64(shaken) != r.Report.Connect.Count {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f handshakes done, the swarm opened %d connections", shaken, r.Report.Connect.Count))
	}
	if written := now[`castgate_deliveries_total{outcome="written"}`] - before[`castgate_deliveries_total{outcome="written"}`]; written < float64(r.Report.Received) {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f messages written, the swarm has %d", written, r.Report.Received))
	}
	matched := 0
	for _, p := range []*pushing.Pushes{r.Pushes, r.Churn.Groups, r.Churn.Unicasts, r.Churn.Last} {
		if p != nil {
			matched += p.Matched
		}
	}
	if said := since("deliveries_matched_total"); int(said) != matched {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f deliveries matched, but its answers report %d", said, matched))
	}
	return wrong
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
