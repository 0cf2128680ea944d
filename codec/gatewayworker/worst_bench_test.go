package gatewayworker

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkWorst is how long one frame or session can hold a loop: the longest
// inputs that the limits let pass.
func BenchmarkWorst(b *testing.B) {
	const session = 512 << 10
	flat := func(n int) string {
		var s strings.Builder
		count := n / 13
		fmt.Fprintf(&s, "a:%d:{", count)
		for i := range count {
			fmt.Fprintf(&s, "i:%d;N;", i)
		}
		return s.String() + "}"
	}
	deep := strings.Repeat(`a:1:{i:0;`, MaxNesting-1) + flat(session-20*MaxNesting) + strings.Repeat("}", MaxNesting-1)
	for name, run := range map[string]func() bool{
		"merge/flat": func() bool {
			_, err := MergeSession(nil, []byte(flat(session)), []byte(flat(session)), 1<<20)
			return err == nil
		},
		"merge/deep": func() bool { _, err := MergeSession(nil, []byte(deep), []byte(deep), 1<<20); return err == nil },
		"text/flat":  func() bool { _, _, err := AppendText(nil, []byte(flat(3<<20))); return err == nil },
		"keys/10MiB": func() bool { return len(new(Decoder).Keys([]byte("["+strings.Repeat("1,", 5<<20)+"1]"))) == MaxKeys },
		"distinct":   func() bool { return len(new(Decoder).DistinctKeys([]byte("["+strings.Repeat("1,", 5<<20)+"1]"))) == 1 },
		"exclude": func() bool {
			return len(new(Decoder).SendToAll([]byte(`{"exclude":[`+strings.Repeat("1,", 5<<20)+`1]}`)).Exclude) == MaxKeys-1
		},
		"brackets":    func() bool { return !validJSON([]byte(strings.Repeat("[", 10<<20))) },
		"query/64KiB": func() bool { return len(AppendQuery(nil, strings.Repeat("a[][x]=%41&", 6<<10))) > 0 },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !run() {
					b.Fatal("not what was expected")
				}
			}
		})
	}
}

// BenchmarkUsual is what a command costs that GatewayClient sends.
func BenchmarkUsual(b *testing.B) {
	frame := AppendFrame(nil, &Header{Command: SendToUID, Flags: FlagPlain}, []byte(`["user-42"]`), []byte(`{"type":"unread","n":3}`))
	var r FrameReader
	var d Decoder
	b.ReportAllocs()
	for b.Loop() {
		f, _, ok, err := r.Next(frame)
		if !ok || err != nil || len(d.Keys(f.Ext)) != 1 {
			b.Fatal(ok, err)
		}
	}
}
