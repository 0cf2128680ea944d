package heartbeat

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

const tick = 250 * time.Millisecond

// The table measured in docs/gatewayworker-protocol.md section 7.3, I = 2 s, for a client
// that connects 0.4 s before a tick.
func TestTable(t *testing.T) {
	const interval = 2 * time.Second
	for _, row := range []struct {
		limit int
		sends []float64 // seconds after the connection
		end   float64   // 0: never
	}{
		{1, []float64{2.4}, 3.4},
		{2, []float64{2.4, 4.4}, 5.4},
		{0, []float64{2.4, 4.4, 6.4, 8.4, 10.4}, 0},
	} {
		k := NewClock(Settings{Interval: interval, Limit: row.limit, Data: "ping"}, tick)
		step := time.Duration(k.every) * tick
		if want := interval / time.Duration(1+min(row.limit, 1)); step != want {
			t.Errorf("limit %d: a tick every %v, want %v", row.limit, step, want)
		}
		var sends []float64
		end := 0.0
		noted := k.Count()
		ticked := uint32(0)
		for at := 0.4; at < 11 && end == 0; at += step.Seconds() {
			for ; !k.Tick(ticked); ticked++ {
			}
			switch k.Due(noted) {
			case Send:
				sends = append(sends, at)
			case Break:
				end = at
			case None:
			}
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 0.01 }
		if !slices.EqualFunc(sends, row.sends, near) || !near(end, row.end) {
			t.Errorf("limit %d: sends at %.1f, end at %.1f, want %.1f and %.1f", row.limit, sends, end, row.sends, row.end)
		}
	}
}

// A clock that is late ticks once and goes on from there. It outlives an overflow of the
// loop's ticks, and one of its own.
func TestLateClock(t *testing.T) {
	k := NewClock(Settings{Interval: time.Second, Limit: 1}, tick)
	if k.every != 2 || k.Tick(1) || !k.Tick(2) || k.Tick(3) || !k.Tick(9) || k.Tick(10) || !k.Tick(11) || k.Count() != 3 {
		t.Errorf("%+v", k)
	}
	k.next = math.MaxUint32
	if k.Tick(math.MaxUint32-1) || !k.Tick(math.MaxUint32) || k.Tick(0) || !k.Tick(1) {
		t.Errorf("%+v", k)
	}
	k.count = math.MaxUint32
	noted := k.Count()
	for i, want := range []Action{None, None, None, Break} {
		k.next = 0
		k.Tick(0)
		if got := k.Due(noted); got != want {
			t.Errorf("tick %d after a message: %d, want %d", i+1, got, want)
		}
	}
	var off Clock
	for now := range uint32(10) {
		if off.Tick(now) {
			t.Error("a clock that is off ticks")
		}
	}
}

// "" and, as in PHP, "0" send nothing; the limit still holds.
func TestNoData(t *testing.T) {
	for _, data := range []string{"", "0"} {
		s := Settings{Interval: time.Second, Limit: 1, Data: data}
		k := NewClock(s, tick)
		broken := 0
		for i := range uint32(10) {
			k.next = i
			k.Tick(i)
			switch k.Due(0) {
			case Send:
				t.Errorf("%q is sent", data)
			case Break:
				broken++
			case None:
			}
		}
		if broken == 0 || s.Message() != "" {
			t.Errorf("%q: broken %d times, message %q", data, broken, s.Message())
		}
	}
	// An interval that is no multiple of the loop's tick is not shorter than it was set.
	if k := NewClock(Settings{Interval: 600 * time.Millisecond, Data: "x"}, tick); k.every != 3 {
		t.Errorf("every %d ticks", k.every)
	}
}

func TestWrongSettings(t *testing.T) {
	for _, test := range []struct {
		name string
		s    Settings
	}{
		{"gatewayworker-ping-interval: 499ms is not between", Settings{Interval: 499 * time.Millisecond, Limit: 1}},
		{"gatewayworker-ping-interval: ", Settings{Interval: 24*time.Hour + 1, Limit: 1}},
		{"gatewayworker-ping-interval: has no effect", Settings{Interval: time.Second}},
		{"gatewayworker-ping-limit: -1 is not", Settings{Interval: time.Second, Limit: -1}},
		{"gatewayworker-ping-limit: 1001 is not", Settings{Interval: time.Second, Limit: 1001}},
		{"gatewayworker-ping-limit: has no effect", Settings{Limit: 1}},
		{"gatewayworker-ping-data: 1025 bytes", Settings{Interval: time.Second, Data: strings.Repeat("x", 1025)}},
		{"gatewayworker-ping-data: has no effect", Settings{Data: "x"}},
	} {
		if err := test.s.Validate(); err == nil || !strings.HasPrefix(err.Error(), test.name) {
			t.Errorf("%+v: %v, want %s", test.s, err, test.name)
		}
	}
	for _, s := range []Settings{{}, {Interval: minInterval, Limit: maxLimit}, {Interval: maxInterval, Data: strings.Repeat("x", maxData)}} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
