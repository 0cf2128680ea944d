package cluster

import (
	"castgate/server/cluster/internal/message"
)

// history is what has happened in a world.
type history struct {
	ops        []*op
	deliveries map[string][]delivery // by payload
	sequence   map[string][]string   // payloads by client
	closes     []closing
	connects   []closing
	homes      map[string]message.Member // by client
	installs   map[uint64][]install      // by chain
}

type delivery struct {
	at     int64
	client string
}

type closing struct {
	at     int64
	client string
	code   uint16 // 0: its node has crashed
}

// install is a view that a node has made its own.
type install struct {
	at   int64
	view message.View
}

func (h *history) deliver(at int64, client, payload string) {
	if h.deliveries == nil {
		h.deliveries, h.sequence = map[string][]delivery{}, map[string][]string{}
	}
	h.deliveries[payload] = append(h.deliveries[payload], delivery{at, client})
	h.sequence[client] = append(h.sequence[client], payload)
}

func (h *history) connect(at int64, client string, home message.Member) {
	if h.homes == nil {
		h.homes = map[string]message.Member{}
	}
	h.homes[client] = home
	h.connects = append(h.connects, closing{at: at, client: client})
}

func (h *history) close(at int64, client string, code uint16) {
	h.closes = append(h.closes, closing{at, client, code})
}

func (h *history) install(at int64, v message.View) {
	h.installs[v.Chain] = append(h.installs[v.Chain], install{at, v})
}

// opKind is a verb of a history.
type opKind uint8

const (
	opBind opKind = iota
	opBindExclusively
	opUnbind
	opJoin
	opLeave
	opPushUID
	opPushGroup
	opPushAll
	opPushID
	opKickUID
	opKickID
	opOnline
)

// op is one call of one caller.
type op struct {
	kind       opKind
	caller     int
	number     int // of the caller's
	entry      *proc
	begin, end int64
	client     string // that it names
	home       *proc  // of client
	name       string // uid or group
	payload    string
	matched    int
	kicked     int
	online     bool
	previous   string
	complete   bool
	unknown    bool         // answered unknown_client
	lost       bool         // the client of an exclusive bind was closed before it ended
	failed     bool         // with another error
	view       message.View // of the entry at the end
	viewBefore message.View // and at the beginning
	done       bool
}
