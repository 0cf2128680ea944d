package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"castgate/internal/wstest"
)

// verb is what a call asks for.
type verb uint8

const (
	bind verb = iota
	unbind
	join
	leave
	pushUID
	pushGroup
	kick
	replace // bind with exclusive: kick_old
	online
	gone // no call: a client was seen to be there, or not, at the end
)

var verbNames = [...]string{"bind", "unbind", "join", "leave", "push to a uid", "push to a group", "kick", "exclusive bind", "online", "end"}

// paths are those of the control API.
var paths = [...]string{"/v1/bind", "/v1/unbind", "/v1/join", "/v1/leave", "/v1/push", "/v1/push", "/v1/kick", "/v1/bind", "/v1/online"}

// often is how often a verb is chosen, in a hundred.
var often = [...]int{bind: 20, unbind: 8, join: 14, leave: 8, pushUID: 20, pushGroup: 16, kick: 1, replace: 2, online: 11}

// Names that callers use. Exclusive binds have uids of their own: what becomes of a uid
// that is bound in both ways is not for this model.
var (
	uids      = []string{"u0", "u1", "u2"}
	exclusive = []string{"x0", "x1"}
	groups    = []string{"g0", "g1"}
)

// call is one request of a caller, and what was answered.
type call struct {
	verb       verb
	client     int    // that it names
	name       string // uid or group
	text       string
	begin, end int64
	complete   bool
	unknown    bool // answered unknown_client
	previous   string
	online     bool
}

func pick(rng *rand.Rand, list []string) string { return list[rng.IntN(len(list))] }

// choose makes up a call about one of the clients.
func choose(rng *rand.Rand, clients []int) (c call) {
	at := rng.IntN(100)
	for v, n := range often {
		if c.verb = verb(v); at < n {
			break
		}
		at -= n
	}
	c.client = clients[rng.IntN(len(clients))]
	switch c.verb {
	case bind:
		c.name = pick(rng, uids)
	case replace:
		c.name = pick(rng, exclusive)
	case pushUID:
		if c.name = pick(rng, uids); rng.IntN(4) == 0 {
			c.name = pick(rng, exclusive)
		}
	case join, leave, pushGroup:
		c.name = pick(rng, groups)
	}
	return c
}

// body is the request's.
func (c *call) body(id string) wstest.M {
	switch c.verb {
	case bind:
		return wstest.M{"client_id": id, "uid": c.name}
	case replace:
		return wstest.M{"client_id": id, "uid": c.name, "exclusive": "kick_old"}
	case unbind:
		return wstest.M{"client_id": id}
	case join, leave:
		return wstest.M{"client_ids": []string{id}, "groups": []string{c.name}}
	case pushUID:
		return wstest.M{"to": wstest.To("uids", c.name), "text": c.text}
	case pushGroup:
		return wstest.M{"to": wstest.To("groups", c.name), "text": c.text}
	}
	return wstest.M{"client_ids": []string{id}} // kick and online
}

// settle is for how long a call may still take place after its caller has lost the
// node: other nodes refuse what they get later.
const settle = int64(5 * time.Second)

// ask sends the request to a node and notes the answer. It is false if the node was not
// there, so that nothing can have happened.
func (c *call) ask(g *wstest.Gateway, id string, now func() int64) bool {
	c.begin = now()
	status, answer, err := g.TryControl("POST", paths[c.verb], c.body(id))
	c.end = now()
	if errors.Is(err, syscall.ECONNREFUSED) {
		return false
	}
	switch {
	case err == nil && status == 404:
		c.unknown, c.complete = true, true
		return true
	case err != nil || status != 200:
		c.end += settle
		return true
	}
	c.complete = answer["complete"] == true
	list, _ := answer["unknown_client_ids"].([]any)
	c.unknown = c.complete && len(list) > 0
	c.previous, _ = answer["previous_uid"].(string)
	if clients, ok := answer["client_ids"].(map[string]any); ok {
		c.online, _ = clients[id].(bool)
	}
	return true
}

func (c *call) String() string {
	return fmt.Sprintf("%s %s of client %d, complete %v, unknown %v, previous %q, online %v", verbNames[c.verb], c.name, c.client, c.complete, c.unknown, c.previous, c.online)
}
