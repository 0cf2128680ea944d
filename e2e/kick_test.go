package e2e

import (
	"strings"
	"testing"

	"castgate/internal/wstest"
)

func TestKick(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 7)
	g.Bind(c[0].ID, "ann", "red")
	g.Bind(c[1].ID, "ann")
	g.Bind(c[2].ID, "bob", "red")
	kick := func(body M, want int) {
		t.Helper()
		expectFields(t, g.OK("POST", "/v1/kick", body), M{"kicked": want})
	}

	// First what was pushed before the kick arrives, then the kick's text, then the
	// close frame.
	g.Push(wstest.To("uids", "ann"), "before")
	kick(M{"uids": []string{"ann"}, "code": 4321, "reason": "signed out ✓", "text": `{"bye":true}`}, 2)
	expectMatched(t, g, wstest.To("uids", "ann"), 0)
	for _, client := range c[:2] {
		client.Expect("before", `{"bye":true}`)
		client.ExpectClose(4321, "signed out ✓")
	}

	kick(M{"groups": []string{"red"}}, 1)
	c[2].ExpectClose(1000, "")
	kick(M{"client_ids": []string{c[3].ID, "no-such-client"}, "code": 1000, "reason": strings.Repeat("r", 123)}, 1)
	c[3].ExpectClose(1000, strings.Repeat("r", 123))
	kick(M{"client_ids": []string{c[3].ID}}, 0)
	kick(M{"all": true, "code": 3000, "text": "closing time"}, 3)
	for _, client := range c[4:] {
		client.Expect("closing time")
		client.ExpectClose(3000, "")
	}
	g.Settled(t)
	expectFields(t, g.OK("GET", "/v1/stats", nil), M{"connections": 0, "uids": 0, "groups": 0})
}

// TestKickRefused: content that a close frame must not have is an error and kicks
// nobody.
func TestKickRefused(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	to := []string{c.ID}
	for _, body := range []M{
		{"client_ids": to, "code": 999},
		{"client_ids": to, "code": 1001},
		{"client_ids": to, "code": 1006},
		{"client_ids": to, "code": 2999},
		{"client_ids": to, "code": 5000},
		{"client_ids": to, "code": -1},
		{"client_ids": to, "reason": strings.Repeat("r", 124)},
		{"client_ids": to, "code": "4000"},
		{"code": 4000},
		{},
	} {
		if status, answer := g.Control("POST", "/v1/kick", body); status != 400 {
			t.Errorf("%v: status %d (%v), want 400", body, status, answer)
		}
	}
	c.ExpectNothing()
}

// TestPeerCloses: a client's close frame is echoed with its code.
func TestPeerCloses(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	g.Bind(c.ID, "ann", "red")
	if err := c.Conn.Close(4242, "enough"); err != nil {
		t.Errorf("close handshake: %v", err)
	}
	g.Settled(t)
	expectFields(t, g.OK("GET", "/v1/stats", nil), M{"connections": 0, "uids": 0, "groups": 0})
	g.Problem(404, "unknown_client", "GET", "/v1/clients/"+c.ID, nil)
}
