package gatewayworker

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
)

// longHeads are heads in which one thing is repeated up to a size.
var longHeads = map[string]func(size int) string{
	"one header": func(n int) string { return headers("a:\r\n", n) },
	"one header with a value": func(n int) string {
		return headers("X-Forwarded-For: 1.2.3.4\r\n", n)
	},
	"two headers": func(n int) string { return headers("a:\r\nb: 1\r\n", n) },
	"cookies":     func(n int) string { return "GET / HTTP/1.1\r\nCookie: " + repeated("a=b; ", n) + "\r\n\r\n" },
	"variables":   func(n int) string { return request(repeated("a.b=c&", n)) },
	"elements":    func(n int) string { return request(repeated("a[]=&", n)) },
	"nested":      func(n int) string { return request(repeated("a"+strings.Repeat("[]", maxQueryNesting)+"&", n)) },
	"open":        func(n int) string { return request(repeated("a[b[c.d&", n)) },
	"one open":    func(n int) string { return request("a" + repeated("[", n)) },
	"escapes":     func(n int) string { return request("a=" + repeated("%41+", n)) },
}

func repeated(s string, size int) string { return strings.Repeat(s, size/len(s)) }
func headers(line string, size int) string {
	return "GET / HTTP/1.1\r\n" + repeated(line, size) + "\r\n"
}
func request(query string) string { return "GET /?" + query + " HTTP/1.1\r\n\r\n" }

// Eight times the head is no more than eight times the work, by what is copied
// and made for it.
func TestConnectWorkIsLinear(t *testing.T) {
	peer := netip.MustParseAddrPort("1.2.3.4:5")
	for name, head := range longHeads {
		work := func(size int) (bytes, objects float64) {
			b := []byte(head(size))
			dst := make([]byte, 0, 1<<20)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := AppendWebSocketConnect(dst, b, peer, 6); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			return float64(after.TotalAlloc - before.TotalAlloc), float64(after.Mallocs - before.Mallocs)
		}
		bytes, objects := work(8 << 10)
		moreBytes, moreObjects := work(64 << 10)
		// What is made once, and slices that grow by doubling, may tip it a little.
		if moreBytes > 14*bytes || moreObjects > 14*objects {
			t.Errorf("%s: %.0f bytes and %.0f objects at 8 KiB, %.0f and %.0f at 64 KiB", name, bytes, objects, moreBytes, moreObjects)
		}
		if moreBytes > 128*(64<<10) {
			t.Errorf("%s: %.0f bytes are made for 64 KiB", name, moreBytes)
		}
	}
}

// Headers and variables are found in arrays of any size.
func TestManyKeys(t *testing.T) {
	var a phpArray
	for round := range 2 {
		for i := range 3 * fewElements {
			a.setText("k"+itoa(int64(i)), itoa(int64(round*i)))
		}
	}
	for i := range 3 * fewElements {
		if v, ok := a.get("k" + itoa(int64(i))); !ok || v.text != itoa(int64(i)) || a.elements[i].key != "k"+itoa(int64(i)) {
			t.Errorf("key %d: %+v, %t", i, v, ok)
		}
	}
	if _, ok := a.get("none"); ok || len(a.elements) != 3*fewElements {
		t.Errorf("%d elements", len(a.elements))
	}
}

// Arrays within arrays are bounded in number, and what needs none is still
// taken.
func TestQueryArrays(t *testing.T) {
	nested := repeated("a"+strings.Repeat("[]", maxQueryNesting)+"&", 64<<10)
	got := string(AppendQuery(nil, nested+"&a=1&b=2"))
	if n := strings.Count(got, "a:") - 1; n > maxQueryArrays {
		t.Errorf("%d arrays are made of %d bytes", n, len(nested))
	}
	if !strings.HasSuffix(got, `s:1:"b";s:1:"2";}`) {
		t.Errorf("what comes behind is lost: %s", got[len(got)-60:])
	}
}

func BenchmarkConnect(b *testing.B) {
	peer := netip.MustParseAddrPort("1.2.3.4:5")
	dst := make([]byte, 0, 1<<20)
	for name, head := range longHeads {
		for _, size := range []int{8 << 10, 64 << 10} {
			b.Run(name+"/"+itoa(int64(size)), func(b *testing.B) {
				h := []byte(head(size))
				b.SetBytes(int64(len(h)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := AppendWebSocketConnect(dst, h, peer, 6); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
