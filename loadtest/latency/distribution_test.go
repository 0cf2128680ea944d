package latency

import (
	"encoding/json"
	"testing"
	"time"
)

func TestDistribution(t *testing.T) {
	h := NewHistogram()
	for range 900 {
		Record(h, 1_500_000)
	}
	for range 100 {
		Record(h, 40_000_000)
	}
	d := DistributionOf("group", h)
	sum := int64(0)
	for i, b := range d.Buckets {
		sum += b.Count
		if i > 0 && b.From <= d.Buckets[i-1].From {
			t.Errorf("buckets %+v", d.Buckets)
		}
	}
	first, last := d.Buckets[0], d.Buckets[len(d.Buckets)-1]
	if d.Count != 1000 || sum != 1000 || len(d.Buckets) != 16 || first.Count != 900 || last.Count != 100 || first.From > 1_500_000 || first.From < 1_200_000 || last.From > 40_100_000 {
		t.Errorf("%+v", d)
	}
	for percent, want := range map[float64]time.Duration{0: 1500 * time.Microsecond, 50: 1500 * time.Microsecond, 95: 40 * time.Millisecond, 99.9: 40 * time.Millisecond} {
		if got, ok := d.At(percent); !ok || got < want || got > want+want/900 {
			t.Errorf("%v %%: %v, want %v", percent, got, want)
		}
	}
	if got, ok := d.At(99.99); ok {
		t.Errorf("1,000 messages have a percentile 99.99: %v", got)
	}
	// The same figures as in the table.
	h = NewHistogram()
	for i := range int64(100_000) {
		Record(h, i*i)
	}
	s := Of(h)
	d = DistributionOf("unicast", h)
	for percent, want := range map[float64]time.Duration{50: s.P50, 90: s.P90, 99: s.P99, 99.9: s.P999} {
		if got, ok := d.At(percent); !ok || got != want {
			t.Errorf("%v %%: %v, want %v", percent, got, want)
		}
	}
	if b, err := json.Marshal(d); err != nil || len(b) > 16<<10 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	// Values on the edge of a bucket belong to it.
	for n := range 111 {
		if got := bucketOf(int64(bucketStart(n))); bucketStart(got) != bucketStart(n) {
			t.Errorf("bucket %d begins at %v, which is in %d", n, bucketStart(n), got)
		}
	}
}
