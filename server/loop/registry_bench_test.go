package loop_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"castgate/server/gateway"
	"castgate/server/internal/table"
)

// BenchmarkRegistry holds clients without sockets, each bound to a uid of its
// own and in one of the groups, all through the handshake and the verbs. One
// operation is what a backend may ask for in a row: a client joins another
// group and leaves it, and is sent a message by its uid.
//
// The other figures: bytes and objects are those of the Go heap after a
// collection, PSS is the process's, each divided by the clients. Of the
// collector: how long a collection takes while those operations go on without
// pause, what share of the process's CPU time it takes, the pauses in
// which no goroutine runs, and the time of an operation meanwhile.
func BenchmarkRegistry(b *testing.B) {
	for _, size := range []struct{ clients, groups int }{{10_000, 1_000}, {1_000_000, 1_000}} {
		b.Run(fmt.Sprintf("clients=%d/groups=%d", size.clients, size.groups), func(b *testing.B) {
			benchmarkRegistry(b, size.clients, size.groups)
		})
	}
}

// BenchmarkRegistry10M takes 5 GB of memory and some minutes, so it runs only
// when CASTGATE_BENCH_10M is set: make bench-registry.
func BenchmarkRegistry10M(b *testing.B) {
	if os.Getenv("CASTGATE_BENCH_10M") == "" {
		b.Skip("CASTGATE_BENCH_10M is not set")
	}
	for _, groups := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("groups=%d", groups), func(b *testing.B) { benchmarkRegistry(b, 10_000_000, groups) })
	}
}

// collections is how many collections the collector is judged by.
const collections = 20

func benchmarkRegistry(b *testing.B, clients, groups int) {
	handles := make([]table.Handle, clients) // the benchmark's own, so not in the figures
	for i := range handles {
		handles[i] = 1 // not in memory before it is written
	}
	empty := footprintNow()
	r := fillRegistry(b, handles, groups)
	full := footprintNow().minus(empty)
	n := float64(clients)

	b.ReportAllocs()
	for b.Loop() {
		r.operate(b)
	}
	r.Turns(b)

	before := gcNow()
	operations := 0
	collected := make(chan time.Duration)
	go func() {
		began := time.Now()
		for range collections {
			runtime.GC()
		}
		collected <- time.Since(began)
	}()
	var took time.Duration
	for took == 0 {
		select {
		case took = <-collected:
		default:
			r.operate(b)
			operations++
		}
	}
	r.Turns(b)
	gc := gcNow().minus(before)

	began := time.Now()
	for _, h := range r.handles {
		r.Disconnect(h)
	}
	leave := time.Since(began)
	r.LetDeadlinesPass()
	left := footprintNow().minus(empty)
	runtime.KeepAlive(handles)

	b.ReportMetric(full.heap/n, "heapB/client")
	b.ReportMetric(full.objects/n, "objects/client")
	b.ReportMetric(full.pss/n, "pssB/client")
	b.ReportMetric(float64(r.connecting.Nanoseconds())/n, "ns/connect")
	b.ReportMetric(float64(r.binding.Nanoseconds())/n, "ns/bind")
	b.ReportMetric(float64(leave.Nanoseconds())/n, "ns/leave")
	b.ReportMetric(left.heap, "heapB-left")
	b.ReportMetric(left.pss, "pssB-left")
	b.ReportMetric(took.Seconds()*1000/collections, "ms/collection")
	b.ReportMetric(float64(took.Nanoseconds())/float64(operations), "ns/op-collecting")
	b.ReportMetric(100*gc.cpu/gc.allCPU, "gc-cpu-%")
	b.ReportMetric(gc.pause(0.5)*1e6, "pause-p50-µs")
	b.ReportMetric(gc.pause(0.99)*1e6, "pause-p99-µs")
	b.ReportMetric(gc.pause(1)*1e6, "pause-max-µs")
}

// registered is a sink full of clients.
type registered struct {
	*verbSink
	handles             []table.Handle
	groups              []string
	connecting, binding time.Duration
	random              *rand.Rand
	payload             []byte
	queued              int
}

func fillRegistry(b *testing.B, handles []table.Handle, groups int) *registered {
	clients := len(handles)
	r := &registered{
		verbSink: newVerbSink(b, 2, clients), handles: handles,
		random: rand.New(rand.NewPCG(1, 2)), payload: []byte(strings.Repeat("x", 64)),
	}
	for g := range groups {
		r.groups = append(r.groups, "group-"+strconv.Itoa(g))
	}
	began := time.Now()
	for i := range handles {
		handles[i] = r.Connect(b, i)
	}
	r.connecting = time.Since(began)
	began = time.Now()
	for i, h := range r.handles {
		bind := gateway.Bind{ClientID: r.Sink.IDs.Of(h, 0), UID: uid(i), Groups: r.groups[i%groups : i%groups+1]}
		if _, err := r.Bind(b.Context(), bind); err != nil {
			b.Fatal(err)
		}
	}
	r.binding = time.Since(began)
	if st := r.Sink.Stats(); st.Connections != clients || st.UIDs != clients || st.Groups != groups {
		b.Fatalf("%d clients are not what is there: %+v", clients, st)
	}
	return r
}

func uid(i int) string { return "user-" + strconv.Itoa(i) }

// operate is one operation of the benchmark, for a random client.
func (r *registered) operate(b *testing.B) {
	i := r.random.IntN(len(r.handles))
	m := gateway.Membership{UIDs: []string{uid(i)}, Groups: []string{r.groups[(i+1)%len(r.groups)]}}
	joined, err := r.Join(b.Context(), m)
	if err != nil || joined.Changed != 1 {
		b.Fatalf("join: %+v, %v", joined, err)
	}
	if pushed, err := r.Push(b.Context(), gateway.Push{To: gateway.Targets{UIDs: m.UIDs}, Payload: r.payload}); err != nil || pushed.Matched != 1 {
		b.Fatalf("push: %+v, %v", pushed, err)
	}
	if left, err := r.Leave(b.Context(), m); err != nil || left.Changed != 1 {
		b.Fatalf("leave: %+v, %v", left, err)
	}
	if r.queued++; r.queued%64 == 0 {
		r.Turns(b)
	}
}

// footprint is what the process holds, in bytes, and the heap's objects.
type footprint struct{ heap, objects, pss float64 }

func (f footprint) minus(g footprint) footprint {
	return footprint{f.heap - g.heap, f.objects - g.objects, f.pss - g.pss}
}

func footprintNow() footprint {
	debug.FreeOSMemory() // collects too
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{float64(m.HeapAlloc), float64(m.HeapObjects), pss()}
}

// pss is the proportional set size of this process, 0 where it can't be read.
func pss() float64 {
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	_, after, found := strings.Cut(string(text), "\nPss:")
	kb := 0.0
	if err == nil && found {
		_, _ = fmt.Sscan(after, &kb)
	}
	return kb * 1024
}

// gcWork is what the collector has done so far.
type gcWork struct {
	cpu, allCPU float64 // seconds
	pauses      []uint64
	bounds      []float64 // of pauses, in seconds; one more than pauses
}

func gcNow() gcWork {
	samples := []metrics.Sample{
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
		{Name: "/cpu/classes/total:cpu-seconds"},
		{Name: "/cpu/classes/idle:cpu-seconds"},
		{Name: "/sched/pauses/total/gc:seconds"},
	}
	runtime.GC() // brings the estimates up to date
	metrics.Read(samples)
	h := samples[3].Value.Float64Histogram()
	return gcWork{
		cpu:    samples[0].Value.Float64(),
		allCPU: samples[1].Value.Float64() - samples[2].Value.Float64(),
		pauses: append([]uint64(nil), h.Counts...), bounds: h.Buckets,
	}
}

func (g gcWork) minus(before gcWork) gcWork {
	g.cpu -= before.cpu
	g.allCPU -= before.allCPU
	for i := range g.pauses {
		g.pauses[i] -= before.pauses[i]
	}
	return g
}

// pause is a quantile of the pauses in seconds: the upper bound of its bucket.
func (g gcWork) pause(q float64) float64 {
	total := uint64(0)
	for _, n := range g.pauses {
		total += n
	}
	rank := max(1, uint64(math.Ceil(q*float64(total))))
	for i, n := range g.pauses {
		if n >= rank {
			return g.bounds[i+1]
		}
		rank -= n
	}
	return 0
}
