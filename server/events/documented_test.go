package events

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"reflect"
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
	const id = "7fKq2vXoT1mWcZ0aUeRj4g"
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
