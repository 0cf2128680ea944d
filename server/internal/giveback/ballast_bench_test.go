package giveback

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

// collections is how often the collector has run.
func collections() uint64 {
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// BenchmarkBallast counts how often the collector runs during a second of 3,000 TLS
// handshakes, which allocate 60 KB each, while little is alive. The slower the machine, the
// more is allocated while one of them is under way, and the fewer they are.
func BenchmarkBallast(b *testing.B) {
	const handshakes, garbage = 3000, 60_000
	for _, with := range []struct {
		name    string
		ballast int
	}{{"none", 0}, {"6MiB", 6 << 20}, {"12MiB", ballastLen}, {"24MiB", 24 << 20}} {
		b.Run(with.name, func(b *testing.B) {
			ballast := make([]byte, with.ballast)
			runtime.GC()
			before := collections()
			for b.Loop() {
				for range handshakes * garbage / 1000 {
					sink = make([]byte, 1000)
				}
			}
			b.ReportMetric(float64(collections()-before)/float64(b.N), "collections/op")
			runtime.KeepAlive(ballast)
		})
	}
}

var sink []byte
