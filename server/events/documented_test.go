package events

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"castgate/internal/snippets"
	"castgate/server/gateway"
)

// The examples of docs/events.md are what castgate sends, and what it takes.
func TestDocumentedEvents(t *testing.T) {
	blocks, err := snippets.Of("../..", "docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples []string
	for _, b := range blocks {
		if b.Language == "json" {
			examples = append(examples, b.Text)
		}
	}
	const id = "5f0c8e21d94b7a3610e7c2f8ab69d354"
	e := encoder{source: "/castgate/nodes/0", instance: "9f86d081884c7d65"}
	at := time.Date(2026, 11, 30, 3, 15, 0, 123456000, time.UTC).UnixMicro()
	connected := &happening{kind: Connected, at: at, connectedAt: at - 456, id: id, remote: netip.MustParseAddrPort("192.0.2.7:51034"),
		path: "/ws", query: "room=1", agent: "Mozilla/5.0"}
	remote := netip.MustParseAddrPort("192.0.2.7:51034")
	head := "GET /ws?room=1 HTTP/1.1\r\nHost: push.example.com\r\nCookie: session=…\r\nUser-Agent: Mozilla/5.0\r\n\r\n"
	sent := []func() []byte{
		func() []byte { return e.client(connected, 4711, 1) },
		func() []byte {
			return data(e.client(&happening{kind: Message, id: id, uid: "ann", payload: []byte("hello")}, 1, 1))
		},
		func() []byte {
			return data(e.node(NodeLost, eventName{number: 1}, at, gateway.LostNode{Node: 3, Instance: 0x4be1f7d7dd44}))
		},
		func() []byte { return data(e.lost(1, at, 1200, "quota")) },
		func() []byte { return encodeQuery(&gateway.ConnectQuery{Head: []byte(head), Remote: remote}) },
	}
	if len(examples) != len(sent)+1 {
		t.Fatalf("docs/events.md has %d examples", len(examples))
	}
	for i, make := range sent {
		text := make()
		var want, got any
		if err := json.Unmarshal([]byte(examples[i]), &want); err != nil {
			t.Errorf("%v in %s", err, examples[i])
		}
		if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("castgate sends %s, %v\ndocumented is %s", text, err, examples[i])
		}
	}
	answer := examples[len(sent)]
	h := hookFor(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, answer)
	}, nil)
	v := ask(t, h, &gateway.ConnectQuery{Head: []byte(hookHead)})
	if v.Status != 0 || v.UID != "ann" || !reflect.DeepEqual(v.Groups, []string{"lobby"}) || string(v.Session) != `{"name":"Ann"}` || v.Headers != "Set-Cookie: seen=1\r\n" {
		t.Errorf("%+v of the documented answer %s", v, answer)
	}
}

// data is that of an event.
func data(event []byte) []byte {
	var e struct{ Data json.RawMessage }
	if json.Unmarshal(event, &e) != nil {
		return nil
	}
	return e.Data
}

// Events of clients have just the members that docs/events.md says, also where the end is
// said by the next process.
func TestDocumentedMembers(t *testing.T) {
	document, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(document), "### castgate.client.disconnected")
	table, _, _ = strings.Cut(table, "\n### ")
	end := []string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z_`, ]+) \\|").FindAllStringSubmatch(table, -1) {
		for _, name := range strings.Split(row[1], ",") {
			end = append(end, strings.Trim(name, " `"))
		}
	}
	if len(end) != 8 {
		t.Fatalf("docs/events.md says %q of disconnected", end)
	}
	who := []string{"client_id", "uid", "groups", "group_count", "session", "remote_addr", "connected_at"}
	e := encoder{source: "/castgate/nodes/0", instance: "9f86d081884c7d65"}
	of := func(h happening) []byte { return slices.Clone(e.client(&h, 1, 1)) }
	bound := of(happening{kind: Bound, id: "x", uid: "ann", groups: []string{"g"}, groupCount: 300})
	var before, carried told
	if json.Unmarshal(bound, &before) != nil || json.Unmarshal(slices.Clone(e.carry(&before)), &carried) != nil {
		t.Fatalf("%s cannot be read back", bound)
	}
	for _, tt := range []struct {
		name string
		body []byte
		want []string
	}{
		{"connected", of(happening{kind: Connected}), append([]string{"path", "query", "user_agent"}, who...)},
		{"bound", bound, append([]string{"previous_uid"}, who...)},
		{"unbound", of(happening{kind: Unbound}), append([]string{"previous_uid"}, who...)},
		{"text", of(happening{kind: Message, payload: []byte("x")}), []string{"client_id", "uid", "binary", "text"}},
		{"binary", of(happening{kind: Message, binary: true}), []string{"client_id", "uid", "binary", "base64"}},
		{"disconnected", of(happening{kind: Disconnected}), append(end, who...)},
		{"gateway_lost", slices.Clone(e.ended(&before, 1, 1, "x", 1, reasonGatewayLost)), append(end, who...)},
		{"gateway_lost, carried along", slices.Clone(e.ended(&carried, 1, 1, "x", 1, reasonGatewayLost)), append(end, who...)},
	} {
		var got map[string]any
		if err := json.Unmarshal(data(tt.body), &got); err != nil {
			t.Errorf("%s: %v in %s", tt.name, err, tt.body)
		}
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(slices.Values(tt.want))) {
			t.Errorf("%s has %q, documented is %q", tt.name, names, tt.want)
		}
		if n := got["group_count"]; strings.HasPrefix(tt.name, "gateway_lost") && n != 300.0 {
			t.Errorf("%s: %v groups, want 300", tt.name, n)
		}
	}
}
