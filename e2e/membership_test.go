package e2e

import (
	"testing"

	"castgate/internal/wstest"
)

func TestJoinLeaveUngroup(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 3)
	g.Bind(c[0].ID, "ann")
	g.Bind(c[1].ID, "ann")

	answer := g.OK("POST", "/v1/join", M{"client_ids": []string{c[2].ID, "no-such-client"}, "uids": []string{"ann"}, "groups": []string{"red", "blue"}})
	expectFields(t, answer, M{"changed": 6, "unknown_client_ids": []string{"no-such-client"}})
	answer = g.OK("POST", "/v1/join", M{"uids": []string{"ann"}, "groups": []string{"red"}})
	expectFields(t, answer, M{"changed": 0, "unknown_client_ids": []string{}})
	expectMatched(t, g, wstest.To("groups", "red"), 3)

	answer = g.OK("POST", "/v1/leave", M{"client_ids": []string{c[0].ID}, "groups": []string{"red", "never"}})
	expectFields(t, answer, M{"changed": 1})
	expectMatched(t, g, wstest.To("groups", "red"), 2)
	expectMatched(t, g, wstest.To("groups", "blue"), 3)

	expectFields(t, g.OK("POST", "/v1/ungroup", M{"groups": []string{"red", "blue"}}), M{"changed": 5})
	expectMatched(t, g, wstest.To("groups", "red", "blue"), 0)
	expectFields(t, g.OK("GET", "/v1/stats", nil), M{"groups": 0, "uids": 1, "connections": 3})
}

// expectMatched pushes and checks how many clients matched.
func expectMatched(t *testing.T, g *wstest.Gateway, to M, want int) {
	t.Helper()
	if n := g.Push(to, "count"); n != want {
		t.Errorf("%v matched %d, want %d", to, n, want)
	}
}

func TestBindUnbind(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := g.Dial(t)
	bind := func(uid string) M {
		return g.OK("POST", "/v1/bind", M{"client_id": c.ID, "uid": uid})
	}
	expectFields(t, bind("ann"), M{"previous_uid": nil, "kicked": 0})
	expectFields(t, bind("bob"), M{"previous_uid": "ann", "kicked": 0})
	expectMatched(t, g, wstest.To("uids", "ann"), 0)
	expectMatched(t, g, wstest.To("uids", "bob"), 1)

	g.OK("POST", "/v1/join", M{"uids": []string{"bob"}, "groups": []string{"red"}})
	expectFields(t, g.OK("POST", "/v1/unbind", M{"client_id": c.ID}), M{"previous_uid": "bob"})
	expectFields(t, g.OK("POST", "/v1/unbind", M{"client_id": c.ID}), M{"previous_uid": nil})
	expectMatched(t, g, wstest.To("uids", "bob"), 0)
	expectMatched(t, g, wstest.To("groups", "red"), 1)

	g.Problem(404, "unknown_client", "POST", "/v1/bind", M{"client_id": "no-such-client", "uid": "ann"})
	g.Problem(404, "unknown_client", "POST", "/v1/unbind", M{"client_id": "no-such-client"})
}

// TestKickOld: an exclusive bind closes the uid's other connections.
func TestKickOld(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	c := crowd(t, g, 3)
	g.Bind(c[0].ID, "ann", "red")
	g.Bind(c[1].ID, "ann")
	g.Push(wstest.To("uids", "ann"), "before")
	answer := g.OK("POST", "/v1/bind", M{"client_id": c[2].ID, "uid": "ann", "groups": []string{"red"}, "exclusive": "kick_old"})
	expectFields(t, answer, M{"previous_uid": nil, "kicked": 2})
	expectMatched(t, g, M{"uids": []string{"ann"}, "groups": []string{"red"}}, 1)
	for _, old := range c[:2] {
		old.Expect("before")
		old.ExpectClose(4001, "replaced")
	}
	c[2].Expect("count")
	again := g.OK("POST", "/v1/bind", M{"client_id": c[2].ID, "uid": "ann", "exclusive": "kick_old"})
	expectFields(t, again, M{"previous_uid": "ann", "kicked": 0})
	c[2].ExpectNothing()
}

// TestReconnect: a client that reconnects is a new client without the uid and
// groups of the old one.
func TestReconnect(t *testing.T) {
	t.Parallel()
	g := wstest.Start(t)
	old := g.Dial(t)
	g.Bind(old.ID, "ann", "red")
	old.Close()
	g.AwaitMetric("castgate_connections", 0)
	fresh := g.Dial(t)
	if fresh.ID == old.ID {
		t.Fatalf("client_id %s was assigned twice", old.ID)
	}
	expectMatched(t, g, M{"uids": []string{"ann"}, "groups": []string{"red"}, "client_ids": []string{old.ID}}, 0)
	expectFields(t, g.OK("GET", "/v1/stats", nil), M{"connections": 1, "uids": 0, "groups": 0})
	g.Bind(fresh.ID, "ann", "red")
	expectMatched(t, g, M{"uids": []string{"ann"}, "groups": []string{"red"}}, 1)
	fresh.Expect("count")
	fresh.ExpectNothing()
}
