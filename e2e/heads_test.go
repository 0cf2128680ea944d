package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// A request head may have up to --max-handshake bytes, even if most are extensions.
// One byte more is answered 431 and counted.
func TestLongExtensions(t *testing.T) {
	t.Parallel()
	const limit = 8 << 10
	g := wstest.Start(t, "--compress", "--max-handshake", "8KiB")
	// head is a head of exactly n bytes, nearly all of them in one field.
	head := func(size int, item, last string) []byte {
		begin := strings.TrimSuffix(wstest.Handshake, "\r\n") + "Sec-WebSocket-Extensions: "
		room := size - len(begin) - len(last) - len("\r\n\r\n")
		items := strings.Repeat(item, room/len(item)+1)[:room/len(item)*len(item)]
		return []byte(begin + items + strings.Repeat(" ", room-len(items)) + last + "\r\n\r\n")
	}
	want := map[string]float64{}
	for _, item := range []string{"x-a, ", "permessage-deflate; server_max_window_bits=99, ", `x; a="b"; c, `} {
		for size, status := range map[int]int{
			8000: http.StatusSwitchingProtocols, limit: http.StatusSwitchingProtocols,
			limit + 1: http.StatusRequestHeaderFieldsTooLarge, 2 * limit: http.StatusRequestHeaderFieldsTooLarge,
		} {
			r := g.DialRaw(t)
			b := head(size, item, "permessage-deflate")
			if len(b) != size {
				t.Fatalf("a head of %d bytes, want %d", len(b), size)
			}
			r.Put(b)
			if got := r.Status(); got != status {
				t.Errorf("%q in %d bytes: %d, want %d", item, size, got, status)
			}
			want[fmt.Sprint(status)]++
			r.Close()
		}
	}
	m := g.Metrics()
	for sample, n := range map[string]float64{
		`castgate_handshakes_total{result="ok"}`:        want["101"],
		`castgate_handshakes_total{result="too_large"}`: want["431"],
	} {
		if m[sample] != n {
			t.Errorf("%s is %v, want %v", sample, m[sample], n)
		}
	}
}
