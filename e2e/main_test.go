// Package e2e drives the real castgate binary from outside: WebSocket clients,
// the control API, browsers, signals and /proc. Nothing here imports the
// gateway's own packages.
package e2e

import (
	"fmt"
	"os"
	"testing"

	"castgate/internal/wstest"
)

// M is a JSON object.
type M = wstest.M

func TestMain(m *testing.M) {
	code := wstest.Main(m)
	endChromium()
	os.Exit(code)
}

// crowd connects n clients, a few at a time.
func crowd(t *testing.T, g *wstest.Gateway, n int) []*wstest.Client {
	t.Helper()
	clients := make([]*wstest.Client, n)
	errs := make([]error, n)
	wstest.Parallel(n, 16, func(i int) {
		clients[i], _, errs[i] = g.TryDial(t, wstest.DialOptions{})
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("client %d of %d: %v", i, n, err)
		}
	}
	return clients
}

// ids lists the clients' ids.
func ids(clients []*wstest.Client) []string {
	list := make([]string, len(clients))
	for i, c := range clients {
		list[i] = c.ID
	}
	return list
}

// joinAll joins the clients to a group.
func joinAll(t *testing.T, g *wstest.Gateway, clients []*wstest.Client, group string) {
	t.Helper()
	answer := g.OK("POST", "/v1/join", M{"client_ids": ids(clients), "groups": []string{group}})
	if got := number(answer["changed"]); got != len(clients) {
		t.Fatalf("join changed %d memberships, want %d", got, len(clients))
	}
}

// number returns a JSON number as an int, anything else as -1.
func number(v any) int {
	if f, ok := v.(float64); ok {
		return int(f)
	}
	return -1
}

// expectFields compares some fields of a JSON object by their printed form.
func expectFields(t *testing.T, answer M, want M) {
	t.Helper()
	for name, w := range want {
		if got, ok := answer[name]; !ok || fmt.Sprint(got) != fmt.Sprint(w) {
			t.Errorf("%s is %v (present: %v), want %v, in %v", name, got, ok, w, answer)
		}
	}
}

// label is a message that contains its kind and number.
func label(kind string, i int) string { return fmt.Sprintf("%s %d", kind, i) }
