package statistics

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// TestLatency: a request is counted in one bucket, the smallest whose bound it
// does not exceed, and allocates nothing.
func TestLatency(t *testing.T) {
	var l latency
	for _, took := range []time.Duration{0, latencyBounds[0], latencyBounds[0] + 1, time.Hour} {
		l.observe(took)
	}
	for i, want := range map[int]uint64{0: 2, 1: 1, len(latencyBounds): 1} {
		if n := l.buckets[i].Load(); n != want {
			t.Errorf("bucket %d has %d, want %d", i, n, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { l.observe(time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var m dto.Metric
	if err := l.metric(descLatency, "GET", "/").Write(&m); err != nil || m.GetHistogram().GetSampleCount() != 105 {
		t.Errorf("%v, %v", &m, err)
	}
	if new(latency).metric(descLatency, "GET", "/") != nil {
		t.Error("a route that nobody asked for has a histogram")
	}
}
