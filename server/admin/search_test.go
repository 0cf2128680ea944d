package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"castgate/server/gateway"
)

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// idsOf are the ids in a list of clients.
func idsOf(list any) (ids []string) {
	for _, c := range list.([]any) {
		ids = append(ids, c.(map[string]any)["client_id"].(string))
	}
	return ids
}

// A client is found by all that is known of it; what names nobody finds nobody.
func TestSearch(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.login("")
	id, other := r.dial(), r.dial()
	nul := strings.Repeat("\x00", 128)
	bind, _ := json.Marshal(map[string]any{"client_id": id, "uid": "<script>alert(1)</script>", "groups": []string{nul, "room"}})
	r.ok("POST", "/api/bind", string(bind))
	for query, want := range map[string]string{
		"client=" + id:  "[" + id + "]",
		"client=nobody": "[]",
		"uid=" + url.QueryEscape("<script>alert(1)</script>"): "[" + id + "]",
		"uid=ann":                        "[]",
		"group=" + url.QueryEscape(nul):  "[" + id + "]",
		"address=127.0.0.0/8&group=room": "[" + id + "]",
		"address=10.1.2.3":               "[]",
	} {
		if got := fmt.Sprint(idsOf(r.ok("GET", "/api/search?"+query, "")["clients"])); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := idsOf(r.ok("GET", "/api/search?address=127.0.0.1", "")["clients"]); len(got) != 2 {
		t.Errorf("by address: %v, want %s and %s", got, id, other)
	}
	r.refuses(400, "invalid_parameter", "GET", "/api/search?address=everywhere", "", nil)
	r.refuses(400, "invalid_name", "GET", "/api/search?uid="+strings.Repeat("n", 129), "", nil)
	c := r.ok("GET", "/api/client?id="+id, "")
	if c["uid"] != "<script>alert(1)</script>" || fmt.Sprint(c["group_count"]) != "2" || !strings.HasPrefix(c["remote_addr"].(string), "127.0.0.1:") {
		t.Errorf("client: %v", c)
	}
	r.refuses(404, "unknown_client", "GET", "/api/client?id=nobody", "", nil)
}

// crowd is a gateway with so many clients, of which it tells page by page.
type crowd struct {
	gateway.Gateway
	clients int
	asked   int
}

// Clients implements gateway.Gateway; its cursor is the number of the next client.
func (c *crowd) Clients(_ context.Context, q gateway.List) (p gateway.Page[gateway.ClientInfo], err error) {
	c.asked++
	from := 0
	if q.Cursor != "" {
		_, err = fmt.Sscan(q.Cursor, &from)
	}
	for i := from; i < min(from+q.Limit, c.clients); i++ {
		p.Rows = append(p.Rows, gateway.ClientInfo{ClientID: fmt.Sprint(i), RemoteAddr: "10.0.0.1:5"})
	}
	if from+q.Limit < c.clients {
		p.Next = fmt.Sprint(from + q.Limit)
	}
	return p, err
}

// A search by address goes through many clients a part at a time, and ends.
func TestSearchByAddressInParts(t *testing.T) {
	t.Parallel()
	many := &crowd{clients: 100 * lookedAt}
	r := startWith(t, func(c *Config) {
		many.Gateway = c.Gateway
		c.Gateway = many
	})
	r.login("")
	looked, cursor, parts := 0, "", 0
	for parts = 1; ; parts++ {
		a := r.ok("GET", "/api/search?address=10.9.9.9&cursor="+cursor, "")
		looked += int(a["looked"].(float64))
		if cursor = a["next"].(string); cursor == "" {
			break
		}
	}
	if looked != many.clients || many.asked != 100 {
		t.Errorf("looked at %d clients in %d parts and %d pages, want %d in 100 pages", looked, parts, many.asked, many.clients)
	}
	// Enough is found in the first page.
	if a := r.ok("GET", "/api/search?address=10.0.0.0/24", ""); len(a["clients"].([]any)) != lookedAt || a["next"] == "" {
		t.Errorf("%d found, next %v", len(a["clients"].([]any)), a["next"])
	}
}

// Explain tells why a client ended, and which pushes found nobody.
func TestExplain(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.login("")
	id := r.dial()
	r.ok("POST", "/api/bind", `{"client_id":"`+id+`","uid":"ann"}`)
	r.ok("POST", "/api/kick", `{"client_ids":["`+id+`"],"code":4000}`)
	r.ok("POST", "/api/push", `{"to":{"uids":["ann"]},"text":"too late"}`)
	var x map[string]any
	for x = r.ok("GET", "/api/explain?uid=ann", ""); len(x["ends"].([]any)) == 0; {
		x = r.ok("GET", "/api/explain?uid=ann", "")
	}
	end := x["ends"].([]any)[0].(map[string]any)
	if end["reason"] != "kicked" || fmt.Sprint(end["code"]) != "4000" || end["client_id"] != id || len(x["misses"].([]any)) != 1 || len(x["unreachable"].([]any)) != 0 {
		t.Errorf("%v", x)
	}
	r.refuses(400, "invalid_name", "GET", "/api/explain", "", nil)
}
