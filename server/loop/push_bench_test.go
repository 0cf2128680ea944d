package loop_test

import (
	"fmt"
	"strings"
	"testing"

	"castgate/server/gateway"
	"castgate/server/loop"
	"castgate/server/verbs"
)

// verbSink are the verbs of a sink.
type verbSink struct {
	*loop.Sink
	*verbs.Verbs
}

func newVerbSink(t testing.TB, loops, sockets int) *verbSink {
	k := loop.NewSink(t, loops, sockets)
	return &verbSink{k, verbs.New(k.Loops, verbs.Config{Names: gateway.MaxNameLen})}
}

// crowd fills a sink with clients that are all bound to one uid and in one
// group, and answers pushes to them.
func crowd(t testing.TB, clients int) (k *verbSink, pushes map[string]gateway.Push) {
	t.Helper()
	k = newVerbSink(t, 2, clients)
	for i := range clients {
		bind := gateway.Bind{ClientID: k.Sink.IDs.Of(k.Connect(t, i), 0), UID: "everyone", Groups: []string{"crowd"}}
		if _, err := k.Bind(t.Context(), bind); err != nil {
			t.Fatal(err)
		}
	}
	payload := []byte(strings.Repeat("x", 64))
	return k, map[string]gateway.Push{
		"uid":   {To: gateway.Targets{UIDs: []string{"everyone"}}, Payload: payload},
		"group": {To: gateway.Targets{Groups: []string{"crowd"}}, Payload: payload},
		"all":   {To: gateway.Targets{All: true}, Payload: payload},
	}
}

// push carries one push out, to the last byte.
func (k *verbSink) push(t testing.TB, p gateway.Push) {
	r, err := k.Push(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	k.Wrote = 0
	k.Turns(t)
	if want := r.Matched * (2 + len(p.Payload)); k.Wrote != want || want == 0 {
		t.Fatalf("%d bytes written, want %d", k.Wrote, want)
	}
}

// BenchmarkPush is a push from the call of the verb to the last receiver's
// write, which costs nothing here: what is left is the gateway's own work, and
// a bell (an eventfd) for each slice of writes.
func BenchmarkPush(b *testing.B) {
	for _, clients := range []int{1, 10, 10_000} {
		k, pushes := crowd(b, clients)
		for _, to := range []string{"uid", "group", "all"} {
			b.Run(fmt.Sprintf("to=%s/members=%d", to, clients), func(b *testing.B) {
				p := pushes[to]
				b.ReportAllocs()
				for b.Loop() {
					k.push(b, p)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(clients), "ns/receiver")
			})
		}
	}
}
