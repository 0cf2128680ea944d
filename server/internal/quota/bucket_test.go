package quota

import (
	"testing"
	"time"
)

const second = int64(time.Second)

// A bucket that is asked far more often than its rate allows gives its burst at
// once and then exactly its rate, over an hour.
func TestSustainedRate(t *testing.T) {
	for _, try := range []struct {
		perSecond float64
		burst     int
	}{{1, 1}, {10, 1}, {10, 50}, {0.5, 3}, {3, 7}, {250, 1000}} {
		r := NewRate(try.perSecond, try.burst)
		var b Bucket
		now := 5 * second
		first := 0
		for b.Take(r, 1, now) {
			first++
		}
		if first != try.burst {
			t.Errorf("%+v: a burst of %d", try, first)
		}
		const span = 3600
		step := int64(float64(second) / try.perSecond / 7)
		given := 0
		for end := now + span*second; now < end; now += step {
			if b.Take(r, 1, now) {
				given++
			}
		}
		if want := int(span * try.perSecond); given < want-want/7-1 || given > want+1 {
			t.Errorf("%+v: %d tokens in %d s, want %d", try, given, span, want)
		}
	}
}

// A bucket that is asked exactly at its rate never refuses. At one percent more it
// gives its rate.
func TestRateIsMet(t *testing.T) {
	r := NewRate(100, 5)
	var b Bucket
	for i := range int64(100_000) {
		if !b.Take(r, 1, i*second/100) {
			t.Fatalf("refused at token %d", i)
		}
	}
	b = 0
	given := 0
	for i := range int64(101_000) {
		if b.Take(r, 1, i*second/101) {
			given++
		}
	}
	if given < 99_990 || given > 100_010 {
		t.Errorf("%d tokens in 1,000 s at 100 a second", given)
	}
}

func TestBucketSavesNoMoreThanTheBurst(t *testing.T) {
	r := NewRate(10, 4)
	var b Bucket
	b.Take(r, 4, 0)
	for _, now := range []int64{1000 * second, 2000 * second} {
		if !b.Take(r, 4, now) || b.Take(r, 1, now) {
			t.Errorf("at %d s the bucket does not hold 4 tokens", now/second)
		}
	}
	if b.Take(r, 5, 9000*second) {
		t.Error("more than the burst was given")
	}
	if !b.Take(r, 4, 9000*second) {
		t.Error("a refusal has cost tokens")
	}
	var off Rate
	if off.Limits() || !b.Take(off, 1<<40, 0) || b.Wait(off, 0) != 0 {
		t.Error("the zero Rate limits")
	}
}

// A burst of centuries is cut to what a time stamp can hold, and still is a limit.
func TestEndlessBurst(t *testing.T) {
	r := NewRate(0.001, 1<<30)
	var b Bucket
	now := 100 * second
	taken := 0
	for ; taken <= 1<<24 && b.Take(r, 1, now); taken++ {
		if int64(b) < now {
			t.Fatalf("the bucket is full again after %d tokens", taken+1)
		}
	}
	if taken > 1<<24 || taken < 1<<20 {
		t.Errorf("%d tokens at once", taken)
	}
	if w := b.Wait(r, now); w < 1 || w > 1000*second {
		t.Errorf("a wait of %v for one token", time.Duration(w))
	}
}

// Waiting for Wait before each Take gives exactly the rate.
func TestWait(t *testing.T) {
	r := NewRate(20, 2)
	var b Bucket
	now := int64(0)
	for range 1000 {
		now += b.Wait(r, now)
		if !b.Take(r, 1, now) {
			t.Fatalf("no token at %d, after waiting for it", now)
		}
	}
	if want := 998 * second / 20; now != want {
		t.Errorf("1,000 tokens took %d ns, want %d", now, want)
	}
}
