package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"castgate/internal/wstest"
)

const (
	floodFrame  = 120_000 // bytes of one message; two fit into the send queue
	floodPushes = 840     // about 100 MB in total
	floodStuck  = 10      // clients that never read
	floodGood   = 3       // clients that always read
)

// TestNeverReading pushes 100 MB to a group in which some clients never read. The
// others get everything, the process stays small, and each delivery is counted.
func TestNeverReading(t *testing.T) {
	t.Parallel()
	most := 64 << 20 // bytes by which the process may grow
	if wstest.RaceEnabled {
		most = math.MaxInt // the race detector's own memory is many times the gateway's
	}
	for _, policy := range []string{"close", "drop"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			// No pings: clients that never read could not answer them.
			g := wstest.Start(t, "--slow-policy", policy, "--ping-interval", "0")
			neverReading(t, g, policy, most)
		})
	}
}

func neverReading(t *testing.T, g *wstest.Gateway, policy string, most int) {
	stuckOnes := make([]*wstest.Raw, floodStuck)
	for i := range stuckOnes {
		stuckOnes[i] = g.DialRaw(t)
		stuckOnes[i].SetReadBuffer(16 << 10)
		stuckOnes[i].Upgrade()
	}
	readers := make([]*flood, floodGood)
	for i := range readers {
		raw := g.DialRaw(t)
		raw.Upgrade()
		readers[i] = &flood{got: make(chan struct{}, floodPushes)}
		go readers[i].read(raw)
	}
	before := wstest.RSS(t, g.PID())
	peak, matched := 0, 0
	message := bytes.Repeat([]byte{'x'}, floodFrame)
	for i := range floodPushes {
		binary.BigEndian.PutUint64(message, uint64(i))
		answer := g.OK("POST", "/v1/push/raw?all=1&binary=1", message)
		matched += number(answer["matched"])
		for _, r := range readers {
			// The pusher stays at most two messages ahead of its readers: the test
			// is about clients that never read, not about slow ones.
			if i >= 2 {
				r.await(t)
			}
		}
		if i%100 == 0 {
			peak = max(peak, wstest.RSS(t, g.PID())-before)
		}
	}
	for _, r := range readers {
		r.await(t)
		r.await(t)
	}
	t.Logf("the process grew by %d MiB at most", peak>>20)
	if peak > most {
		t.Errorf("the process grew by %d MiB, want at most %d", peak>>20, most>>20)
	}
	slow := fmt.Sprintf("castgate_closes_total{reason=%q}", "slow")
	if policy == "close" {
		g.AwaitMetric(slow, floodStuck)
	} else {
		if n := g.Metrics()["castgate_connections"]; n != floodGood+floodStuck {
			t.Errorf("%v clients are connected, want %d", n, floodGood+floodStuck)
		}
		if d := g.Deliveries(); d.Dropped == 0 || d.Matched != d.Written+d.Dropped+d.Queued {
			t.Errorf("before the stuck clients leave: %+v", d)
		}
	}
	for _, s := range stuckOnes {
		s.Close()
	}
	g.AwaitMetric("castgate_connections", floodGood)
	if d := g.Balanced(t); d.Matched != matched || d.Written < floodGood*floodPushes || d.Dropped == 0 {
		t.Errorf("%+v, want %d matched, at least %d written, some dropped", d, matched, floodGood*floodPushes)
	}
}

// flood is a client that reads.
type flood struct {
	got chan struct{} // one value for each correct message; closed after a wrong one
	bad string        // what was wrong; valid once got is closed
}

// read checks messages on its own goroutine until the connection ends.
func (f *flood) read(raw *wstest.Raw) {
	for next := 0; ; next++ {
		op, payload, err := raw.Frame()
		if err != nil || op != wstest.OpBinary || len(payload) != floodFrame || int(binary.BigEndian.Uint64(payload)) != next {
			f.bad = fmt.Sprintf("message %d: opcode %d, %d bytes, %v", next, op, len(payload), err)
			close(f.got)
			return
		}
		f.got <- struct{}{}
	}
}

// await waits for one more message.
func (f *flood) await(t *testing.T) {
	t.Helper()
	select {
	case _, ok := <-f.got:
		if !ok {
			t.Fatal(f.bad)
		}
	case <-time.After(wstest.Patience):
		t.Fatalf("a reader got no message for %v", wstest.Patience)
	}
}

// TestSlowClose: a client that reads too slowly gets, when it reads again,
// everything that was queued for it in order, and then the close frame, unless its
// connection was cut.
func TestSlowClose(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--send-queue", "64KiB")
	r := g.DialRaw(t)
	r.SetReadBuffer(16 << 10)
	r.Upgrade()
	message := bytes.Repeat([]byte{'x'}, 256<<10)
	g.Await(func() string {
		g.OK("POST", "/v1/push/raw?all=1&binary=1", message)
		if n := g.Metrics()["castgate_connections"]; n != 0 {
			return "the client is not closed"
		}
		return ""
	})
	if code := r.ExpectClosed(); code != 1008 && code != 0 {
		t.Errorf("closed with %d, want 1008", code)
	}
	g.Settled(t)
}

// TestLargeToIdle: the queue's limit is checked before a message is queued, so a
// message larger than the limit still goes through.
func TestLargeToIdle(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t, "--send-queue", "1KiB")
	c := g.Dial(t)
	large := string(bytes.Repeat([]byte{'x'}, 1_000_000))
	g.Push(wstest.All(), large)
	c.Expect(large)
	c.ExpectNothing()
}
