package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"castgate/internal/wstest"
)

// A browser's own WebSocket negotiates permessage-deflate, sends compressed
// messages, and reads a push that is compressed once for all.
func TestCompressionInABrowser(t *testing.T) {
	t.Parallel()
	program(t, "chromium", "chromium-browser", "google-chrome")
	g := wstest.Start(t, "--on-message", "echo", "--max-message", "1MiB", "--compress")
	empty := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<title>empty</title>") }))
	t.Cleanup(empty.Close)
	p := openPage(t, empty.URL)
	p.run(fmt.Sprintf(`window.got = [];
		window.ws = new WebSocket('ws://%s/');
		ws.onmessage = e => got.push(e.data);
		ws.onclose = e => got.push('closed ' + e.code);
		ws.onopen = () => ws.send('castgate '.repeat(20000));
		true`, g.Addr))
	value := func(script string) string {
		t.Helper()
		s, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
		if err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		return s
	}
	await := func(messages string) {
		t.Helper()
		wstest.Await(t, func() string {
			if got := value("String(got.length)"); got != messages {
				return got + " messages, want " + messages
			}
			return ""
		})
	}
	await("2")
	text := strings.Repeat("news for all ", 5000)
	if matched := g.Push(M{"all": true}, text); matched != 1 {
		t.Fatalf("matched %d", matched)
	}
	await("3")
	for script, want := range map[string]string{
		"ws.extensions": "permessage-deflate",
		"String(got[1] === 'castgate '.repeat(20000))": "true",
		"got[2]": text,
	} {
		if got := value(script); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %.100q, want %.100q", script, got, want)
		}
	}
	m := g.Metrics()
	for name, want := range map[string]float64{
		"castgate_compressed_connections":                        1,
		"castgate_messages_inflated_total":                       1,
		`castgate_inflate_bytes_total{side="after"}`:             180_000,
		`castgate_pushes_compressed_total{outcome="compressed"}`: 1,
		`castgate_compress_bytes_total{side="before"}`:           float64(len(text)),
	} {
		if m[name] != want {
			t.Errorf("%s is %v, want %v", name, m[name], want)
		}
	}
	if sent := m[`castgate_compress_bytes_total{side="after"}`]; sent <= 0 || sent > float64(len(text))/20 {
		t.Errorf("%v bytes for %d", sent, len(text))
	}
}
