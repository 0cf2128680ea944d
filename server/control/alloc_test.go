//go:build !race

package control

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllocations: a push that does not wait allocates nothing here, however
// many receivers the gateway finds for it.
func TestAllocations(t *testing.T) {
	for _, matched := range []int{1, 1_000_000} {
		for _, tt := range []struct{ name, path, body string }{
			{"text", "/v1/push", `{"to":{"uids":["ann"]},"text":"hello \u00fc"}`},
			{"json", "/v1/push", `{"to":{"uids":["ann"]},"json":{"type": "news", "n": [1, 2, 3]}}`},
			{"base64", "/v1/push", `{"to":{"groups":["red"]},"base64":"` + strings.Repeat("AAAA", 1000) + `"}`},
			{"raw", "/v1/push/raw?uid=ann%20b&group=red", "hello"},
		} {
			t.Run(fmt.Sprintf("%s/matched=%d", tt.name, matched), func(t *testing.T) {
				c := Defaults()
				c.Keys = []string{"first-key", "second-key"}
				s, err := New(&quickGateway{matched: matched}, c)
				if err != nil {
					t.Fatal(err)
				}
				ctx := request(nopConn{}, "POST", tt.path, tt.body)
				ctx.Request.Header.Set("X-API-Key", "second-key")
				ctx.Request.Header.SetContentType("application/json")
				uri := string(ctx.RequestURI())
				allocs := testing.AllocsPerRun(1000, func() {
					// The body and the query are decoded in place.
					ctx.Request.SetBodyString(tt.body)
					ctx.URI().Update(uri)
					ctx.Response.Reset()
					s.requestConfig(&ctx.Request.Header)
					s.handle(ctx)
				})
				if status := ctx.Response.StatusCode(); status != 200 {
					t.Fatalf("%d %s", status, ctx.Response.Body())
				}
				if want := fmt.Sprintf(`{"matched":%d,"queued":%d,"dropped":0}`, matched, matched); string(ctx.Response.Body()) != want {
					t.Fatalf("answer %s", ctx.Response.Body())
				}
				if allocs > 0 {
					t.Errorf("%v allocations, want none", allocs)
				}
			})
		}
	}
}
