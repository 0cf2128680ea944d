package loadtest

import (
	"reflect"
	"testing"
	"time"
)

const second = int64(time.Second)

// Events count for their second; open connections carry over.
func TestTimelineMoments(t *testing.T) {
	const start = 1_000 * second
	l := newTimeline(start)
	l.opened(start)
	l.opened(start + 1)
	l.received(start+2*second, Broadcast, 5_000_000)
	l.received(start+3*second-1, Unicast, 7_000)
	l.ended(start + 4*second)
	l.received(start+3*second, Broadcast, 1) // late: for the last moment
	s := l.summary(start + 4*second + 10)
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
	q := s.Moments[2].Latencies[Broadcast]
	if q == nil || q.Count != 1 || q.P50 < 5*time.Millisecond || q.P50 > 5350*time.Microsecond || s.Moments[2].Latencies[Group] != nil {
		t.Errorf("%+v", q)
	}
}

// However long it takes, there are no more moments than allowed, and nothing is
// lost when they are joined.
func TestTimelineIsBounded(t *testing.T) {
	l := newTimeline(0)
	l.opened(0)
	const seconds = 5*maxMoments + 3
	for i := range int64(seconds) {
		l.received(i*second, Group, 1_000_000)
		if len(l.moments) > maxMoments {
			t.Fatalf("%d moments after %d s", len(l.moments), i)
		}
	}
	s := l.summary(seconds * second)
	if s.Width != 8*time.Second || len(s.Moments) != (seconds+7)/8 {
		t.Errorf("%d moments of %v", len(s.Moments), s.Width)
	}
	var received uint64
	var measured int64
	for i, m := range s.Moments {
		received += m.Received
		measured += m.Latencies[Group].Count
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
	fast, slow, idle, sum := newTimeline(0), newTimeline(0), newTimeline(0), newTimeline(0)
	const end = 1_500 * second
	fast.opened(1)
	fast.received(end+3*second, Broadcast, 1_000)
	slow.opened(2)
	slow.opened(3)
	slow.received(700*second, Broadcast, 2_000)
	idle.opened(4)
	for _, l := range []*timeline{&slow, &fast, &idle} {
		l.addTo(&sum, end)
	}
	s := sum.summary(end)
	if s.Width != 2*time.Second || len(s.Moments) != 752 || s.Length != 1502*time.Second {
		t.Fatalf("%d moments of %v, %v long", len(s.Moments), s.Width, s.Length)
	}
	if m := s.Moments[350]; m.Received != 1 || m.Open != 4 {
		t.Errorf("at 700 s: %+v", m)
	}
	if m := s.Moments[751]; m.Received != 1 || m.Open != 4 || m.Latencies[Broadcast].Count != 1 {
		t.Errorf("at the end: %+v", m)
	}
}

// Only the first message of a moment allocates.
func TestTimelineAllocations(t *testing.T) {
	l := newTimeline(0)
	l.received(1, Broadcast, 1_000)
	now := int64(2)
	if n := testing.AllocsPerRun(1000, func() { now++; l.received(now, Broadcast, now) }); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

func BenchmarkTimelineReceived(b *testing.B) {
	l := newTimeline(0)
	now := int64(0)
	for b.Loop() {
		now += 1000
		l.received(now, Broadcast, 1_000_000+now&0xffff)
	}
}

// The report contains the history of a swarm.
func TestTimelineOfASwarm(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 7, Loops: 2})
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, Now())
	for _, id := range s.ClientIDs() {
		g.write(id, b)
	}
	st.Commit(0)
	delivered(t, s)
	if err := s.Cut(); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Replace(3); err != nil {
		t.Fatal(err)
	}
	for range 30_000 {
		if s.Report().Timeline.total().Opened == 15 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	total := s.Report().Timeline.total()
	if total.Opened != 15 || total.Ended != 8 || total.Open != 7 || total.Received != 7 {
		t.Errorf("%+v", total)
	}
}

// total sums up a timeline.
func (t *Timeline) total() (sum Moment) {
	for _, m := range t.Moments {
		sum.Open = m.Open
		sum.Opened += m.Opened
		sum.Ended += m.Ended
		sum.Received += m.Received
	}
	return sum
}
