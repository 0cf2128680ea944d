package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

func TestOnlineAndCounts(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 3)
	g.Bind(c[0].ID, "ann", "red", "blue")
	g.Bind(c[1].ID, "ann", "red")
	answer := g.OK("POST", "/v1/online", M{"client_ids": []string{c[2].ID, "no-such-client"}, "uids": []string{"ann", "bob"}})
	expectFields(t, answer, M{"client_ids": M{c[2].ID: true, "no-such-client": false}, "uids": M{"ann": 2, "bob": 0}})
	answer = g.OK("POST", "/v1/counts", M{"groups": []string{"red", "blue", "none"}, "uids": []string{"ann"}})
	expectFields(t, answer, M{"groups": M{"red": 2, "blue": 1, "none": 0}, "uids": M{"ann": 2}})

	info := g.OK("GET", "/v1/clients/"+c[0].ID, nil)
	expectFields(t, info, M{"client_id": c[0].ID, "uid": "ann"})
	groups := fmt.Sprint(info["groups"])
	if groups != "[red blue]" && groups != "[blue red]" {
		t.Errorf("groups of the client are %s", groups)
	}
	if addr, _ := info["remote_addr"].(string); !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("remote_addr is %q", addr)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	path := "/v1/clients/" + c.ID + "/session"
	expectFields(t, g.OK("PUT", path, `{"a":1,"b":{"c":2,"d":3}}`), M{"a": 1, "b": M{"c": 2, "d": 3}})
	merged := g.OK("PATCH", path, `{"b":{"c":null,"e":4},"f":[1]}`)
	expectFields(t, merged, M{"a": 1, "b": M{"d": 3, "e": 4}, "f": []int{1}})
	expectFields(t, g.OK("GET", "/v1/clients/"+c.ID, nil), M{"session": merged})
	sessionKeepsItsBytes(t, g, path)
	merged = g.OK("PUT", path, `{"a":1}`)
	for _, bad := range []string{`[1]`, `"x"`, `{"a":`, ``} {
		if status, _ := g.Control("PUT", path, bad); status != 400 {
			t.Errorf("session %q: status %d, want 400", bad, status)
		}
	}
	big := `{"a":"` + strings.Repeat("x", 4096) + `"}`
	if status, _ := g.Control("PUT", path, big); status != 400 && status != 413 {
		t.Errorf("session of %d bytes: status %d, want 400 or 413", len(big), status)
	}
	expectFields(t, g.OK("GET", "/v1/clients/"+c.ID, nil), M{"session": merged})
	g.Problem(404, "unknown_client", "PUT", "/v1/clients/no-such-client/session", `{}`)
}

// sessionKeepsItsBytes puts and patches a session that decoding and encoding would
// change, and reads it back.
func sessionKeepsItsBytes(t *testing.T, g *wstest.Gateway, path string) {
	t.Helper()
	const (
		put     = `{"z":1.0,"html":"<b>&","big":12345678901234567890,"e":"\u00e9é"}`
		patch   = `{"seats":[{"until":null}],"z":1e2,"new":{"a":null,"b":"<"}}`
		patched = `{"z":1e2,"html":"<b>&","big":12345678901234567890,"e":"\u00e9é","seats":[{"until":null}],"new":{"b":"<"}}`
	)
	for _, step := range [][3]string{{"PUT", put, put}, {"PATCH", patch, patched}, {"PATCH", "{}", patched}} {
		resp, err := g.Request(step[0], path, step[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != step[2] {
			t.Errorf("%s %s: %s, %v; want %s", step[0], step[1], got, err, step[2])
		}
	}
	big := `{"a":"` + strings.Repeat("<", 900) + `"}`
	g.OK("PUT", path, big)
	g.OK("PATCH", path, `{"n":1}`)
	g.Problem(400, "wrong_type", "PATCH", path, `[1]`)
	g.Problem(400, "duplicate_field", "PATCH", path, `{"a":1,"a":2}`)
}

// TestListings pages through clients, uids and groups and compares the result with
// the NDJSON form.
func TestListings(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	clients := crowd(t, g, 25)
	for i, c := range clients {
		g.Bind(c.ID, fmt.Sprintf("user/%d ü", i%10), fmt.Sprintf("group %d", i%3))
	}
	for _, listing := range []struct {
		path string
		want int
	}{
		{"/v1/clients", 25},
		{"/v1/uids", 10},
		{"/v1/groups", 3},
		{"/v1/clients?uid=" + url.QueryEscape("user/0 ü"), 3},
		{"/v1/clients?group=" + url.QueryEscape("group 0"), 9},
		{"/v1/uids?group=" + url.QueryEscape("group 1"), 8},
		{"/v1/groups?uid=" + url.QueryEscape("user/1 ü"), 3},
		{"/v1/clients?group=none", 0},
	} {
		paged, lines := pages(t, g, listing.path), ndjson(t, g, listing.path)
		sort.Strings(paged)
		sort.Strings(lines)
		if len(paged) != listing.want || fmt.Sprint(paged) != fmt.Sprint(lines) {
			t.Errorf("%s: %d rows in pages, %d as NDJSON, want %d:\n%v\n%v", listing.path, len(paged), len(lines), listing.want, paged, lines)
		}
	}
	for _, bad := range []string{"/v1/clients?limit=x", "/v1/clients?limit=-1", "/v1/clients?cursor=made-up"} {
		if status, _ := g.Control("GET", bad, nil); status != 400 {
			t.Errorf("%s: status %d, want 400", bad, status)
		}
	}
}

// pages reads a listing two rows at a time and returns the rows as JSON.
func pages(t *testing.T, g *wstest.Gateway, path string) (rows []string) {
	t.Helper()
	glue := "?"
	if strings.Contains(path, "?") {
		glue = "&"
	}
	path += glue + "limit=2"
	for cursor := ""; ; {
		page := path
		if cursor != "" {
			page += "&cursor=" + url.QueryEscape(cursor)
		}
		answer := g.OK("GET", page, nil)
		cursor, _ = answer["next_cursor"].(string)
		delete(answer, "next_cursor")
		for _, list := range answer { // the rows are the only other field
			for _, row := range list.([]any) {
				data, _ := json.Marshal(row)
				rows = append(rows, string(data))
			}
		}
		if cursor == "" || len(rows) > 100 {
			return rows
		}
	}
}

// ndjson reads a whole listing, one object per line.
func ndjson(t *testing.T, g *wstest.Gateway, path string) (rows []string) {
	t.Helper()
	resp, err := g.Request("GET", path, nil, http.Header{"Accept": {"application/x-ndjson"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/x-ndjson") {
		t.Errorf("%s: Content-Type %q", path, kind)
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var row M
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("%s: line %q: %v", path, lines.Text(), err)
		}
		data, _ := json.Marshal(row)
		rows = append(rows, string(data))
	}
	return rows
}

func TestBatch(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	answer := g.OK("POST", "/v1/batch", M{"commands": []M{
		{"op": "bind", "client_id": c.ID, "uid": "ann"},
		{"op": "join", "uids": []string{"ann"}, "groups": []string{"red"}},
		{"op": "push", "to": wstest.To("groups", "red"), "text": "from the batch"},
		{"op": "bind", "client_id": "no-such-client", "uid": "bob"},
		{"op": "no-such-verb"},
		{"op": "push", "to": wstest.To("uids", "ann"), "text": "and on"},
	}})
	replies, _ := answer["replies"].([]any)
	want := []int{200, 200, 200, 404, 400, 200}
	if len(replies) != len(want) {
		t.Fatalf("%d replies, want %d: %v", len(replies), len(want), answer)
	}
	for i, r := range replies {
		if got := number(r.(M)["status"]); got != want[i] {
			t.Errorf("reply %d: status %d, want %d: %v", i, got, want[i], r)
		}
	}
	c.Expect("from the batch", "and on")

	lines := fmt.Sprintf(`{"op":"push","to":{"client_ids":[%q]},"text":"line one"}`+"\n"+`{"op":"unbind","client_id":%q}`+"\n", c.ID, c.ID)
	resp, err := g.Request("POST", "/v1/batch", lines, http.Header{"Content-Type": {"application/x-ndjson"}, "Accept": {"application/x-ndjson"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || strings.Count(string(body), "\n") != 2 || strings.Count(string(body), `"status":200`) != 2 {
		t.Errorf("NDJSON batch: status %d, %v:\n%s", resp.StatusCode, err, body)
	}
	c.Expect("line one")
}
