package e2e

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

func TestInitMessage(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	clients := crowd(t, g, 50)
	seen := make(map[string]bool)
	for _, c := range clients {
		if seen[c.ID] || len(c.ID) < 16 {
			t.Errorf("client_id %q is short or was assigned twice", c.ID)
		}
		seen[c.ID] = true
	}
	for _, path := range []string{"/", "/any/path", "/ws?token=x&y=%20"} {
		c := g.DialWith(t, wstest.DialOptions{Path: path})
		expectFields(t, g.OK("GET", "/v1/clients/"+c.ID, nil), M{"client_id": c.ID, "uid": nil})
	}
	if n := number(g.OK("GET", "/v1/stats", nil)["connections"]); n != 53 {
		t.Errorf("stats count %d connections, want 53", n)
	}
}

// TestPushTargets pushes to a client, a uid, a group, all, and combinations: each
// client gets one copy.
func TestPushTargets(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 5)
	g.Bind(c[0].ID, "ann", "red")
	g.Bind(c[1].ID, "ann", "blue")
	g.Bind(c[2].ID, "bob", "red", "blue")
	joinAll(t, g, c[3:4], "red") // has a group but no uid; c[4] has neither

	for _, push := range []struct {
		name string
		to   M
		want []int
	}{
		{"client", wstest.To("client_ids", c[4].ID), []int{4}},
		{"uid with two connections", wstest.To("uids", "ann"), []int{0, 1}},
		{"group", wstest.To("groups", "red"), []int{0, 2, 3}},
		{"all", wstest.All(), []int{0, 1, 2, 3, 4}},
		{"two groups, a member of both", wstest.To("groups", "red", "blue"), []int{0, 1, 2, 3}},
		{"every kind at once", M{"client_ids": []string{c[0].ID, c[0].ID}, "uids": []string{"ann", "bob"}, "groups": []string{"red"}, "all": true}, []int{0, 1, 2, 3, 4}},
		{"nobody", wstest.To("uids", "zoe"), nil},
		{"an unknown client beside a known one", wstest.To("client_ids", "no-such-client", c[3].ID), []int{3}},
	} {
		if n := g.Push(push.to, push.name); n != len(push.want) {
			t.Errorf("%s: matched %d, want %d", push.name, n, len(push.want))
		}
		for _, i := range push.want {
			c[i].Expect(push.name)
		}
	}
	for _, client := range c {
		client.ExpectNothing()
	}
	d := g.Balanced(t)
	if d.Matched != 1+2+3+5+4+5+1+5 || d.Dropped != 0 {
		t.Errorf("deliveries %+v, want 26 matched and none dropped", d)
	}
}

func TestPushExclude(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 4)
	g.Bind(c[0].ID, "ann", "red")
	g.Bind(c[1].ID, "ann", "red")
	g.Bind(c[2].ID, "bob", "red")
	push := func(to, exclude M, text string, want ...int) {
		t.Helper()
		answer := g.OK("POST", "/v1/push", M{"to": to, "exclude": exclude, "text": text})
		if n := number(answer["matched"]); n != len(want) {
			t.Errorf("%s: matched %d, want %d", text, n, len(want))
		}
		for _, i := range want {
			c[i].Expect(text)
		}
	}
	push(wstest.To("groups", "red"), wstest.To("client_ids", c[0].ID), "without a client", 1, 2)
	push(wstest.To("groups", "red"), wstest.To("uids", "ann"), "without a uid", 2)
	push(wstest.All(), M{"uids": []string{"bob"}, "client_ids": []string{c[3].ID}}, "all without both", 0, 1)
	push(wstest.To("client_ids", c[0].ID), wstest.To("client_ids", c[0].ID), "without anybody")
	for _, client := range c {
		client.ExpectNothing()
	}
}

// TestPushPayloads sends every kind of payload, including the raw form.
func TestPushPayloads(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	g.Bind(c.ID, "ann", "red")
	to := wstest.To("uids", "ann")

	for _, text := range []string{"plain", "", "ünïcödé ✓ 😀", "quotes \" and \\ and \n and \u0000", strings.Repeat("x", 125),
		strings.Repeat("y", 126), strings.Repeat("z", 65535), strings.Repeat("z", 65536), strings.Repeat("w", 900_000)} {
		g.Push(to, text)
		c.Expect(text)
	}

	value := M{"n": 1.5, "list": []any{"a", nil, true}, "nested": M{"k": "ü"}}
	g.OK("POST", "/v1/push", M{"to": to, "json": value})
	var got M
	if m := c.Next(); m.Binary || json.Unmarshal([]byte(m.Data), &got) != nil || !reflect.DeepEqual(got, value) {
		t.Errorf("json payload arrived as %q (binary %v)", m.Data, m.Binary)
	}
	g.OK("POST", "/v1/push", M{"to": to, "json": nil})
	c.Expect("null")

	blob := "\x00\xff\xfe binary \x80"
	g.OK("POST", "/v1/push", M{"to": to, "base64": base64.StdEncoding.EncodeToString([]byte(blob))})
	c.ExpectBinary(blob)

	g.OK("POST", "/v1/push/raw?uid=ann&group=red&client_id="+c.ID, "raw text ✓")
	c.Expect("raw text ✓")
	g.OK("POST", "/v1/push/raw?all=1&binary=1", blob)
	c.ExpectBinary(blob)
	status, _ := g.Control("POST", "/v1/push/raw?all=1", blob)
	if status != 400 {
		t.Errorf("raw text that is not UTF-8: status %d, want 400", status)
	}
	c.ExpectNothing()
}

// TestPushWait: the answer of a push with wait says how each delivery ended.
func TestPushWait(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	clients := crowd(t, g, 20)
	answer := g.OK("POST", "/v1/push", M{"to": wstest.All(), "text": "waited for", "wait": "written"})
	expectFields(t, answer, M{"matched": 20, "written": 20, "queued": 0, "dropped": 0})
	for _, c := range clients {
		c.Expect("waited for")
	}
	answer = g.OK("POST", "/v1/push", M{"to": wstest.To("uids", "nobody"), "text": "x", "wait": "written"})
	expectFields(t, answer, M{"matched": 0, "written": 0, "queued": 0, "dropped": 0})
	for _, c := range clients {
		c.Close()
	}
	if d := g.Settled(t); d.Written != 20 {
		t.Errorf("%d written, want 20", d.Written)
	}
}

// TestOrder: pushes of one caller, each sent after the previous answer, arrive in
// that order however they are addressed.
func TestOrder(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	clients := crowd(t, g, 8)
	for _, c := range clients {
		g.Bind(c.ID, "uid of "+c.ID, "g")
	}
	const rounds = 100
	for i := range rounds {
		c := clients[i%len(clients)]
		g.Push(wstest.All(), label("all", i))
		g.Push(wstest.To("client_ids", c.ID), label("client", i))
		g.Push(wstest.To("groups", "g"), label("group", i))
		g.Push(wstest.To("uids", "uid of "+c.ID), label("uid", i))
	}
	for n, c := range clients {
		for i := range rounds {
			c.Expect(label("all", i))
			if i%len(clients) == n {
				c.Expect(label("client", i))
			}
			c.Expect(label("group", i))
			if i%len(clients) == n {
				c.Expect(label("uid", i))
			}
		}
	}
}
