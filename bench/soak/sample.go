package soak

import (
	"context"
	"time"

	"castgate/bench/gateway"
)

// Sample is what the gateway held at one moment.
type Sample struct {
	At         float64 `json:"t"` // seconds
	PSS        int64   `json:"pss"`
	Heap       int64   `json:"heap"` // Go objects, including dead ones
	Files      int     `json:"files"`
	Goroutines int     `json:"goroutines"`
	// Control is how many of both belong to connections of the control port.
	// They are our own, kept open for reuse, and do not count.
	Control     int `json:"control_connections"`
	Threads     int `json:"threads"`
	Connections int `json:"connections"`
}

// series are what is judged in samples. For things that come and go with every
// connection, 12 per hour are one in 60,000 connections at 200 per second; 2
// MiB are 3 bytes for each. Descriptors of connections and others are not read
// at the same instant, but the difference shows a leak of a few among
// thousands.
var series = []struct {
	name, unit string
	tolerance  float64 // per hour
	of         func(s *Sample) float64
}{
	{"PSS", "B", 2 << 20, func(s *Sample) float64 { return float64(s.PSS) }},
	{"heap", "B", 2 << 20, func(s *Sample) float64 { return float64(s.Heap) }},
	{"descriptors", "", 12, func(s *Sample) float64 { return float64(s.Files - s.Control) }},
	{"connections", "", 12, func(s *Sample) float64 { return float64(s.Connections) }},
	{"other descriptors", "", 12, func(s *Sample) float64 { return float64(s.Files - s.Control - s.Connections) }},
	{"goroutines", "", 12, func(s *Sample) float64 { return float64(s.Goroutines - s.Control) }},
	{"threads", "", 12, func(s *Sample) float64 { return float64(s.Threads) }},
}

// trends are those of all series, without the samples before warmup seconds.
func trends(samples []Sample, warmup float64) (all []Trend) {
	var t []float64
	first := len(samples)
	for i := range samples {
		if samples[i].At >= warmup {
			first = min(first, i)
			t = append(t, samples[i].At)
		}
	}
	for _, s := range series {
		v := make([]float64, len(t))
		for i := range v {
			v[i] = s.of(&samples[first+i])
		}
		r := trendOf(t, v, s.tolerance)
		r.Name, r.Unit = s.name, s.unit
		all = append(all, r)
	}
	return all
}

// weigh reads what the gateway holds.
type weigh func(ctx context.Context, moment string) (gateway.Weight, error)

// watch takes a sample at once and then one per interval, and passes each to
// see, until ctx is done or one fails. If a sample takes longer than the
// interval, the next one is late; it does not catch up.
func watch(ctx context.Context, every time.Duration, read weigh, see func(Sample)) error {
	begun := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		w, err := read(ctx, "")
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		see(Sample{
			At: time.Since(begun).Seconds(), PSS: w.PSS, Heap: w.Heap, Files: w.Files,
			Goroutines: w.Goroutines, Control: w.Control, Threads: w.Threads, Connections: w.Connections,
		})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
