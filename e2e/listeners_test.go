package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"testing"
	"time"

	"castgate/internal/wstest"
)

// Clients of every scheme get the same pushes, whether by uid or by group.
func TestListenersOfEveryScheme(t *testing.T) {
	t.Parallel()
	g := wstest.StartWith(t, wstest.Options{Schemes: []string{"text", "frame", "tcp"}})
	web := g.Dial(t)
	ids := []string{web.ID}
	conns := map[string]*bufio.Reader{}
	for scheme, addr := range g.Listeners {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(wstest.Patience))
		r := bufio.NewReader(c)
		conns[scheme] = r
		if scheme == "frame" {
			_, _ = r.Discard(4)
		}
		// The first message on each is the init message.
		text, err := r.ReadString('}')
		var init struct {
			ClientID string `json:"client_id"`
		}
		if err != nil || json.Unmarshal([]byte(text), &init) != nil || init.ClientID == "" {
			t.Fatalf("%s: %q, %v", scheme, text, err)
		}
		if scheme == "text" {
			_, _ = r.Discard(1)
		}
		ids = append(ids, init.ClientID)
	}
	for _, id := range ids {
		g.Bind(id, "42", "news")
	}
	if n := g.Push(wstest.M{"groups": []string{"news"}}, "to the group"); n != 4 {
		t.Errorf("matched %d, want 4", n)
	}
	g.OK("POST", "/v1/kick", wstest.M{"uids": []string{"42"}, "text": "bye"})
	for scheme, want := range map[string]string{
		"text": "to the group\nbye\n", "frame": "\x00\x00\x00\x10to the group\x00\x00\x00\x07bye", "tcp": "to the groupbye",
	} {
		if got, err := io.ReadAll(conns[scheme]); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", scheme, got, err)
		}
	}
	web.Expect("to the group", "bye")
}
