package timeline

import (
	"reflect"
	"testing"
	"time"

	"castgate/loadtest/payload"
)

const second = int64(time.Second)

// Events count for their second; open connections carry over.
func TestTimelineMoments(t *testing.T) {
	const start = 1_000 * second
	l := New(start)
	l.Opened(start)
	l.Opened(start + 1)
	l.Received(start+2*second, payload.Broadcast, 5_000_000)
	l.Received(start+3*second-1, payload.Unicast, 7_000)
	l.Ended(start + 4*second)
	l.Received(start+3*second, payload.Broadcast, 1) // late: for the last moment
	s := l.Summary(start + 4*second + 10)
	if s.Width != time.Second || s.Length != 4*time.Second+10 || len(s.Moments) != 5 {
		t.Fatalf("width %v, length %v, %d moments", s.Width, s.Length, len(s.Moments))
	}
	var open, opened, ended []int
	var received []uint64
	for _, m := range s.Moments {
		open, opened, ended, received = append(open, m.Open), append(opened, m.Opened), append(ended, m.Ended), append(received, m.Received)
	}
	if !reflect.DeepEqual(open, []int{2, 2, 2, 2, 1}) || !reflect.DeepEqual(opened, []int{2, 0, 0, 0, 0}) ||
		!reflect.DeepEqual(ended, []int{0, 0, 0, 0, 1}) || !reflect.DeepEqual(received, []uint64{0, 0, 2, 0, 1}) {
		t.Errorf("open %v, opened %v, ended %v, received %v", open, opened, ended, received)
	}
	q := s.Moments[2].Latencies[payload.Broadcast]
	if q == nil || q.Count != 1 || q.P50 < 5*time.Millisecond || q.P50 > 5350*time.Microsecond || s.Moments[2].Latencies[payload.Group] != nil {
		t.Errorf("%+v", q)
	}
}

// However long it takes, there are no more moments than allowed, and nothing is
// lost when they are joined.
func TestTimelineIsBounded(t *testing.T) {
	l := New(0)
	l.Opened(0)
	const seconds = 5*maxMoments + 3
	for i := range int64(seconds) {
		l.Received(i*second, payload.Group, 1_000_000)
		if len(l.moments) > maxMoments {
			t.Fatalf("%d moments after %d s", len(l.moments), i)
		}
	}
	s := l.Summary(seconds * second)
	if s.Width != 8*time.Second || len(s.Moments) != (seconds+7)/8 {
		t.Errorf("%d moments of %v", len(s.Moments), s.Width)
	}
	var received uint64
	var measured int64
	for i, m := range s.Moments {
		received += m.Received
		measured += m.Latencies[payload.Group].Count
		if m.Open != 1 {
			t.Fatalf("%d open at moment %d", m.Open, i)
		}
	}
	if received != seconds || measured != seconds {
		t.Errorf("%d received, %d latencies, want %d", received, measured, seconds)
	}
	// A pause of a day takes hardly any work.
	l.at(86_400 * second)
	if len(l.moments) > maxMoments {
		t.Errorf("%d moments after a day", len(l.moments))
	}
}

// Loops are added up even if they have gone beyond the moment of the report, or
// are joined differently.
func TestTimelinesOfSeveralLoops(t *testing.T) {
	fast, slow, idle, sum := New(0), New(0), New(0), New(0)
	const end = 1_500 * second
	fast.Opened(1)
	fast.Received(end+3*second, payload.Broadcast, 1_000)
	slow.Opened(2)
	slow.Opened(3)
	slow.Received(700*second, payload.Broadcast, 2_000)
	idle.Opened(4)
	for _, l := range []*Recorder{&slow, &fast, &idle} {
		l.AddTo(&sum, end)
	}
	s := sum.Summary(end)
	if s.Width != 2*time.Second || len(s.Moments) != 752 || s.Length != 1502*time.Second {
		t.Fatalf("%d moments of %v, %v long", len(s.Moments), s.Width, s.Length)
	}
	if m := s.Moments[350]; m.Received != 1 || m.Open != 4 {
		t.Errorf("at 700 s: %+v", m)
	}
	if m := s.Moments[751]; m.Received != 1 || m.Open != 4 || m.Latencies[payload.Broadcast].Count != 1 {
		t.Errorf("at the end: %+v", m)
	}
}

// Only the first message of a moment allocates.
func TestTimelineAllocations(t *testing.T) {
	l := New(0)
	l.Received(1, payload.Broadcast, 1_000)
	now := int64(2)
	if n := testing.AllocsPerRun(1000, func() { now++; l.Received(now, payload.Broadcast, now) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func BenchmarkTimelineReceived(b *testing.B) {
	l := New(0)
	now := int64(0)
	for b.Loop() {
		now += 1000
		l.Received(now, payload.Broadcast, 1_000_000+now&0xffff)
	}
}
