package register

import (
	"slices"
	"sync/atomic"

	wire "castgate/codec/gatewayworker"
)

// addressList is what a Register broadcasts: addresses in the order of
// registration, our own first. It is guarded by its owner's lock.
type addressList struct {
	own     []string
	entries []addressEntry
}

// addressEntry is what a gateway's connection has registered.
type addressEntry struct {
	conn    *conn
	address string
}

// set registers the address of a connection and replaces its previous one. It
// reports whether the connection is new.
func (l *addressList) set(c *conn, address string) bool {
	i := slices.IndexFunc(l.entries, func(e addressEntry) bool { return e.conn == c })
	if i >= 0 {
		l.entries[i].address = address
		return false
	}
	l.entries = append(l.entries, addressEntry{c, address})
	return true
}

// has reports whether a connection has registered an address.
func (l *addressList) has(c *conn) bool {
	return slices.ContainsFunc(l.entries, func(e addressEntry) bool { return e.conn == c })
}

// remove removes a connection's address and reports whether it had one.
func (l *addressList) remove(c *conn) bool {
	before := len(l.entries)
	l.entries = slices.DeleteFunc(l.entries, func(e addressEntry) bool { return e.conn == c })
	return len(l.entries) < before
}

// line is the broadcast, with each address once.
func (l *addressList) line() []byte {
	var addresses []string
	seen := map[string]bool{}
	add := func(address string) {
		if !seen[address] {
			seen[address] = true
			addresses = append(addresses, address)
		}
	}
	for _, address := range l.own {
		add(address)
	}
	for _, e := range l.entries {
		add(e.address)
	}
	return wire.AppendBroadcast(nil, addresses)
}

// refusal is why the Register ends a connection.
type refusal int

// Why the Register ends a connection.
const (
	refusedFull    refusal = iota // at MaxConns: the oldest unknown connection, or the new one
	refusedSilent                 // no successful connect within AuthTimeout
	refusedLine                   // a line over MaxLine
	refusedText                   // not JSON or without an event; gets a line of text
	refusedEvent                  // an unknown event
	refusedAddress                // gateway_connect without an address
	refusedKey                    // another key
	refusedSlow                   // a worker that does not read
	refusedPing                   // a gateway that has stopped pinging
	refusals
	refusedNot refusal = -1
)

// refusalNames are the values of the label reason in metrics.
var refusalNames = [refusals]string{"full", "silent", "line_too_long", "no_event", "unknown_event", "no_address", "wrong_key", "slow", "no_ping"}

// counters counts what the Register did. Counters only increase.
type counters struct {
	accepted, acceptErrors, broadcasts atomic.Uint64
	gateways, workers                  atomic.Int64
	refused                            [refusals]atomic.Uint64
}

// Stats are counts of the embedded Register since its start, and the
// numbers of present connections.
type Stats struct {
	Connections  int               // now, including unknown ones
	Gateways     int               // now, without ourselves
	Workers      int               // now, including API clients
	Accepted     uint64            // connections
	AcceptErrors uint64            // accepts that failed
	Broadcasts   uint64            // changes of the list that workers were told
	Refused      map[string]uint64 // connections ended, by reason; contains every reason
}

// Stats reads the counters.
func (r *Server) Stats() Stats {
	r.mu.Lock()
	connections := len(r.conns)
	r.mu.Unlock()
	s := Stats{
		Connections: connections, Gateways: int(r.counters.gateways.Load()), Workers: int(r.counters.workers.Load()),
		Accepted: r.counters.accepted.Load(), AcceptErrors: r.counters.acceptErrors.Load(), Broadcasts: r.counters.broadcasts.Load(),
		Refused: make(map[string]uint64, refusals),
	}
	for i, name := range refusalNames {
		s.Refused[name] = r.counters.refused[i].Load()
	}
	return s
}
