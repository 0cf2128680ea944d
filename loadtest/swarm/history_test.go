package swarm

import (
	"testing"
	"time"

	"castgate/loadtest/clock"
	"castgate/loadtest/internal/gatewaytest"
	"castgate/loadtest/timeline"
)

// The report contains the history of a swarm.
func TestTimelineOfASwarm(t *testing.T) {
	g := gatewaytest.New(t, false)
	s := open(t, Config{URLs: []string{g.URL}, Connections: 7, Loops: 2})
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, clock.Now())
	for _, id := range s.ClientIDs() {
		g.Write(id, b)
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
		if total(s.Report().Timeline).Opened == 15 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	total := total(s.Report().Timeline)
	if total.Opened != 15 || total.Ended != 8 || total.Open != 7 || total.Received != 7 {
		t.Errorf("%+v", total)
	}
}

// total sums up a timeline.
func total(t *timeline.Timeline) (sum timeline.Moment) {
	for _, m := range t.Moments {
		sum.Open = m.Open
		sum.Opened += m.Opened
		sum.Ended += m.Ended
		sum.Received += m.Received
	}
	return sum
}
