package verbs

import (
	"runtime"
	"testing"

	"castgate/server/gateway"
)

// Pushes of a series give a client one copy for each time that it is meant, but
// none to those that are left out; every copy is counted, and the message is
// encoded once.
func TestSeries(t *testing.T) {
	const clients = 200
	k, all, names := overlapping(t, clients, 3)
	few := all[0]
	if _, err := k.Bind(t.Context(), gateway.Bind{ClientID: few, UID: "few"}); err != nil {
		t.Fatal(err)
	}
	left := all[1]
	m := gateway.Message{Payload: make([]byte, 1<<20)}
	before := allocated()
	series, err := k.BeginSeries(t.Context(), m, []string{left})
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []gateway.Targets{
		{ClientIDs: []string{few, few, left}},               // 2
		{UIDs: []string{"few", "nobody", "few", "few"}},     // 3
		{Groups: []string{names[0], names[1], names[0]}},    // 3 times all but one
		{Groups: []string{names[2]}, UIDs: []string{"few"}}, // all but one, and 1
		{UIDs: []string{"nobody"}},
	} {
		if err := series.Send(t.Context(), to); err != nil {
			t.Fatal(err)
		}
	}
	if took := allocated() - before; took > 2<<20 {
		t.Errorf("%d bytes allocated for one message of %d", took, len(m.Payload))
	}
	want := uint64(2 + 3 + 4*(clients-1) + 1)
	k.await("all copies", func() bool { return k.stats().Matched >= want })
	if st := k.stats(); st.Pushes != 1 || st.Matched != want || st.Dropped["closed"] != 0 {
		t.Errorf("%d pushes, matched %d, written %d, queued %d, dropped %v; wants %d", st.Pushes, st.Matched, st.Written, st.Queued, st.Dropped, want)
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
