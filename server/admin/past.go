package admin

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The past is kept for an hour.
const (
	sampleEvery = 2 * time.Second
	samplesKept = 1800
)

// sample is a reading of what the overview draws. Counters are over the life of the
// process; the page draws their differences.
type sample struct {
	At      int64 // Unix time in milliseconds
	Gauges  [numGauges]float64
	Counts  [numCounts]uint64
	Drops   []uint64 // by reason, in the order of past.drops
	Closes  []uint64 // by reason, in the order of past.closes
	Backlog float64  // bytes of events that are to be told
}

// Gauges and counters of a sample.
const (
	gaugeConnections = iota
	gaugeSockets
	gaugeLag    // of the slowest loop, in milliseconds
	gaugeMemory // resident, in bytes
	gaugeQueued // bytes that wait for clients
	numGauges
)

const (
	countAccepted = iota
	countHandshakes
	countMessagesIn
	countPushes
	countMatched
	countWritten
	numCounts
)

var (
	gaugeNames = [numGauges]string{"connections", "sockets", "lag_ms", "memory", "queued_bytes"}
	countNames = [numCounts]string{"accepted", "connects", "messages_in", "pushes", "matched", "written"}
)

// past is what there was, in fixed memory: a ring.
type past struct {
	mu            sync.Mutex
	samples       []sample
	next          int // where the next goes, once there are samplesKept
	drops, closes []string
}

// record samples until ctx ends.
func (p *past) record(ctx context.Context, take func(context.Context) (sample, map[string]uint64, map[string]uint64, error)) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		if one, drops, closes, err := take(ctx); err == nil {
			p.add(one, drops, closes)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// add keeps a sample. The reasons of the first are those of all.
func (p *past) add(one sample, drops, closes map[string]uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops == nil {
		p.drops, p.closes = slices.Sorted(maps.Keys(drops)), slices.Sorted(maps.Keys(closes))
	}
	for _, reason := range p.drops {
		one.Drops = append(one.Drops, drops[reason])
	}
	for _, reason := range p.closes {
		one.Closes = append(one.Closes, closes[reason])
	}
	if len(p.samples) < samplesKept {
		p.samples = append(p.samples, one)
		return
	}
	p.samples[p.next] = one
	p.next = (p.next + 1) % samplesKept
}

// since calls do with the samples after a time, oldest first, at most about so many: of
// more it leaves some out evenly, but never the last.
func (p *past) since(at int64, most int, do func(*sample)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.samples)
	first := n
	for first > 0 && p.samples[(p.next+first-1)%n].At > at {
		first--
	}
	step := max((n-first+most-1)/most, 1)
	for i := first; i < n; i++ {
		if (n-1-i)%step == 0 {
			do(&p.samples[(p.next+i)%n])
		}
	}
}

// reasons are those of drops and closes.
func (p *past) reasons() (drops, closes []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.drops, p.closes
}

// sample takes one.
func (s *Server) sample(ctx context.Context) (one sample, drops, closes map[string]uint64, err error) {
	st, err := s.config.Gateway.Stats(ctx)
	if err != nil {
		return one, nil, nil, err
	}
	one.At = time.Now().UnixMilli()
	one.Gauges = [numGauges]float64{
		gaugeConnections: float64(st.Connections), gaugeSockets: float64(st.Sockets), gaugeLag: st.LoopLag.Seconds() * 1000,
		gaugeMemory: float64(residentMemory()), gaugeQueued: float64(st.QueuedBytes),
	}
	one.Counts = [numCounts]uint64{
		countAccepted: st.Accepted, countHandshakes: st.Handshakes["ok"], countMessagesIn: st.MessagesIn,
		countPushes: st.Pushes, countMatched: st.Matched, countWritten: st.Written,
	}
	if s.config.Backlog != nil {
		one.Backlog = float64(s.config.Backlog().QueueBytes)
	}
	return one, st.Dropped, st.Closes, nil
}

// residentMemory is what this process has in memory, in bytes; 0 if unknown.
func residentMemory() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
