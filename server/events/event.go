package events

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"castgate/server/gateway"
)

// Type is a type of event.
type Type uint8

// The types of events.
const (
	Connected Type = iota
	Bound
	Unbound
	Disconnected
	Message
	UIDOnline
	UIDOffline
	Lost     // of events that the quota or a damaged disk has taken
	NodeLost // of a cluster: a process has ended without a goodbye
	NodeBack // of a cluster: a process that was told to be lost is there
	numTypes
)

// names are the types as settings and events say them.
var names = [numTypes]struct{ setting, event string }{
	Connected:    {"connected", "castgate.client.connected"},
	Bound:        {"bound", "castgate.client.bound"},
	Unbound:      {"unbound", "castgate.client.unbound"},
	Disconnected: {"disconnected", "castgate.client.disconnected"},
	Message:      {"message", "castgate.client.message"},
	UIDOnline:    {"uid.online", "castgate.uid.online"},
	UIDOffline:   {"uid.offline", "castgate.uid.offline"},
	Lost:         {"", "castgate.events.lost"},
	NodeLost:     {"", "castgate.node.lost"},
	NodeBack:     {"", "castgate.node.back"},
}

// String is the name of the type in events.
func (t Type) String() string { return names[t].event }

// Types is a set of types.
type Types uint16

// Has tells whether t is one of them.
func (s Types) Has(t Type) bool { return s>>t&1 == 1 }

// DefaultTypes are the types told unless others are asked for.
const DefaultTypes = Types(1<<Connected | 1<<Bound | 1<<Unbound | 1<<Disconnected)

// ParseTypes reads names of types; all stands for all of them. None may be there twice.
func ParseTypes(items []string) (Types, error) {
	var set Types
	for n, item := range items {
		if slices.Contains(items[:n], item) {
			return 0, fmt.Errorf("%.64q is there twice", item)
		}
		if item == "all" {
			set |= 1<<Lost - 1
			continue
		}
		i := slices.IndexFunc(names[:Lost], func(n struct{ setting, event string }) bool { return n.setting == item })
		if i < 0 {
			var known []string
			for _, n := range names[:Lost] {
				known = append(known, n.setting)
			}
			return 0, fmt.Errorf("%.64q is not a type of event; the types are %s, and all", item, strings.Join(known, ", "))
		}
		if slices.Contains(items, "all") {
			return 0, fmt.Errorf("all has %q in it", item)
		}
		set |= 1 << i
	}
	return set, nil
}

// happening is what the server has said, until the journal writes it.
type happening struct {
	kind               Type
	binary, lastOfUID  bool
	code               uint16
	key                uint64
	at, connectedAt    int64 // Unix time in microseconds
	id, uid, previous  string
	session            string
	groups             []string // the first gateway.MaxWatchedGroups
	groupCount         int
	remote             netip.AddrPort
	path, query, agent string // of the request
	reason             string
	traffic            gateway.Traffic
	payload            []byte // of a message
	room               int64  // what is reserved in the queue for a message
}

// happeningLen is about what a happening weighs beside its texts.
const happeningLen = 320

func (h *happening) weight() int {
	n := happeningLen + len(h.id) + len(h.uid) + len(h.previous) + len(h.session) + len(h.path) + len(h.query) + len(h.agent) + len(h.payload)
	for _, g := range h.groups {
		n += 16 + len(g)
	}
	return n
}
