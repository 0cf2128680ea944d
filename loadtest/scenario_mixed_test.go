package loadtest

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// What a gateway does to slow readers and reports is no fault; what it does not
// report is.
func TestSlowReaders(t *testing.T) {
	const n = 6 // of which the last is slow
	for name, c := range map[string]struct {
		closes, drops bool // from the second message on
		says          bool
		counts        int // how many of these it reports
		want          []string
		fault         string
	}{
		"kept":                   {says: true, want: []string{"1; the server closed 0", "received 5 of 5 messages"}},
		"closed":                 {closes: true, says: true, counts: 1, want: []string{"1; the server closed 1"}},
		"closed without a word":  {closes: true, want: []string{"1; the server closed 1"}},
		"closed, said otherwise": {closes: true, says: true, fault: "1 were lost, and the server reports that it closed 0"},
		"dropped":                {drops: true, says: true, counts: 4, want: []string{"1; the server closed 0", "received 1 of 5 messages; the server reports that it dropped 4"}},
		"dropped more elsewhere": {drops: true, says: true, counts: 9, want: []string{"received 1 of 5", "readers were too slow: 0 connections closed, 5 messages dropped"}},
		"lost some":              {drops: true, says: true, counts: 3, fault: "of the slow readers 1 messages did not reach them, and the server does not report"},
		"lost without a word":    {drops: true, fault: "of the slow readers 4 messages did not reach them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // all wait until nothing more comes
			g := newGateway(t, false)
			g.says = c.says
			pushes := 0
			control := tampered(t, g, nil, func(_ int64, k int, b []byte) [][]byte {
				if k != n-1 {
					return [][]byte{b}
				}
				pushes++
				if pushes == 1 || !c.drops && !c.closes {
					return [][]byte{b}
				}
				g.mu.Lock()
				if c.closes && pushes == 2 {
					go g.conns["client-5"].Close(1008, "slow consumer")
					g.slowness.closed += c.counts
				}
				if c.drops && pushes == 2 {
					g.slowness.dropped += c.counts
				}
				g.mu.Unlock()
				return nil
			})
			// Unicasts go to the connections in between, so that each message
			// to the last is a broadcast.
			p := planFor(g, Plan{Rate: 100, For: 50 * time.Millisecond, Callers: 1, BroadcastRate: 100, Slow: 1}, control)
			p.Swarm.InFlight = 1 // in order
			r, err := Run(t.Context(), "mixed", p)
			if c.fault != "" {
				wants(t, err, c.fault)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := r.WriteTable(&out); err != nil {
				t.Error(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is not in\n%s", want, out.String())
				}
			}
		})
	}
}

// A push whose outcome is unknown may have arrived: that is not a message that
// was never sent.
func TestUnknownOutcome(t *testing.T) {
	g := newGateway(t, false)
	s := open(t, Config{URLs: []string{g.url}, Connections: 2})
	st := s.Stream(0)
	b := st.Append(nil, 0, 64, Now())
	for _, id := range s.ClientIDs() {
		g.write(id, b)
	}
	if r := settle(t, s, 4); r.Err() != nil || r.Unexpected != 0 || r.Expected != 0 {
		t.Errorf("%+v, %v", r, r.Err())
	}
}

func TestMirror(t *testing.T) {
	g := newGateway(t, false)
	a := open(t, Config{URLs: []string{g.url}, Connections: 2, Run: 9})
	b := open(t, Config{URLs: []string{g.url}, Connections: 3, Run: 9, First: 2})
	a.Stream(0).Mirror(b.Stream(0))
	if n := a.Stream(0).Receivers(0); n != 5 {
		t.Errorf("%d receivers", n)
	}
	message := a.Stream(0).Append(nil, 0, 64, Now())
	for _, id := range g.all()[1:] {
		g.write(id, message)
	}
	a.Stream(0).Commit(0)
	delivered(t, b)
	r := reportOf([]*Swarm{a, b})
	wants(t, r.Err(), "1 of 5 messages did not arrive, on 1 connections")
	if r.Connections != 5 || r.Open != 5 || r.Connect.Count != 5 || r.Broadcast.Count != 4 {
		t.Errorf("%+v", r)
	}
}
