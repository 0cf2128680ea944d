package soak

import (
	"context"
	"fmt"
	"time"

	"castgate/bench/gateway"
	"castgate/loadtest"
)

// goroutineSlack is for those of the runtime and of a control request that
// ends.
const goroutineSlack = 4

// settlePoll is how often it is looked whether everything has gone. Each look
// allocates in the gateway, which gives memory back only in the quiet.
const settlePoll = time.Second

// empty are samples of /metrics that must be 0 when nobody is connected.
var empty = []string{
	"castgate_connections", "castgate_sockets", "castgate_uids", "castgate_groups", "castgate_addresses",
	"castgate_deliveries_queued", "castgate_queue_bytes", "castgate_panics_total",
}

// unsettled says what the counters still hold, or hold wrongly, when all
// clients have left; nothing if that is nothing.
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
	// Sockets that were turned away for want of room were accepted by nobody.
	if decided, accepted := sum("handshakes_total")-m[`castgate_handshakes_total{result="busy"}`], sum("accepted_total"); decided != accepted {
		all = append(all, fmt.Sprintf("%.0f sockets accepted, %.0f handshakes ended", accepted, decided))
	}
	return all
}

// remains says what is left of the soak beside the weight before it.
func remains(before, now gateway.Weight, slack int64) (all []string) {
	if files, were := now.Files-now.Control, before.Files-before.Control; files > were {
		all = append(all, fmt.Sprintf("%d descriptors beside control connections, %d before", files, were))
	}
	if n, were := now.Goroutines-now.Control, before.Goroutines-before.Control; n > were+goroutineSlack {
		all = append(all, fmt.Sprintf("%d goroutines beside control connections, %d before", n, were))
	}
	if now.PSS > before.PSS+slack {
		all = append(all, fmt.Sprintf("%.1f MiB PSS, %.1f before", mib(now.PSS), mib(before.PSS)))
	}
	return all
}

// settled waits until nothing is wrong with the counters and, if there is one,
// beside the weight before, but no longer than patience after the rest; the
// answer is what was wrong then.
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
		// Without anything to compare with it has to rest: its heap goes back
		// to the system bit by bit.
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

// counted compares the gateway's counters with what the swarm has seen between
// two readings.
func counted(before, now map[string]float64, r *loadtest.Result) (wrong []string) {
	since := func(name string) float64 { return now["castgate_"+name] - before["castgate_"+name] }
	if shaken := now[`castgate_handshakes_total{result="ok"}`] - before[`castgate_handshakes_total{result="ok"}`]; int64(shaken) != r.Report.Connect.Count {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f handshakes done, the swarm opened %d connections", shaken, r.Report.Connect.Count))
	}
	if written := now[`castgate_deliveries_total{outcome="written"}`] - before[`castgate_deliveries_total{outcome="written"}`]; written < float64(r.Report.Received) {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f messages written, the swarm has %d", written, r.Report.Received))
	}
	matched := 0
	for _, p := range []*loadtest.Pushes{r.Pushes, r.Churn.Groups, r.Churn.Unicasts, r.Churn.Last} {
		if p != nil {
			matched += p.Matched
		}
	}
	if said := since("deliveries_matched_total"); int(said) != matched {
		wrong = append(wrong, fmt.Sprintf("castgate counts %.0f deliveries matched, its answers say %d", said, matched))
	}
	return wrong
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
