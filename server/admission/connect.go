package admission

import (
	"net/netip"

	"castgate/codec"
	"castgate/server/internal/quota"
)

// Connection is what is decided about a socket when it is accepted.
type Connection struct {
	// Refusal is the answer to the request, or codec.HandshakeOK.
	Refusal codec.HandshakeResult
	// Crowded is set with a Refusal if too many sockets are being refused already: this
	// one is to be closed without waiting for its request. Otherwise EndRefusal must
	// follow when it has been closed.
	Crowded bool
	// Counted means that Release must follow when the connection has ended.
	Counted bool
	// Proxied means that the connection begins with a PROXY header; never with Counted.
	Proxied bool
}

// Connect decides about a socket by its peer's address. A trusted proxy's address
// is not that of its clients: theirs are limited once they are known.
func (a *Control) Connect(peer netip.Addr) (d Connection) {
	r := a.rules.Load()
	if r.Trusts(peer) {
		d.Proxied = a.config.ProxyProtocol
		return d
	}
	if !r.perAddress.On() {
		return d
	}
	d.Refusal = a.admit(r, peer)
	if d.Counted = d.Refusal == codec.HandshakeOK; !d.Counted && int(a.refusing.Add(1)) > a.config.MaxRefusing {
		a.refusing.Add(-1)
		d.Crowded = true
	}
	return d
}

// Identify decides about a connection whose client is known only now, from a PROXY header.
// counted is as in Connection. The client's address may be another trusted proxy's, which
// is not limited: it says more in the request.
func (a *Control) Identify(client netip.Addr) (counted bool, refusal codec.HandshakeResult) {
	r := a.rules.Load()
	return a.identify(r, client, r.Trusts(client))
}

func (a *Control) identify(r *Rules, client netip.Addr, trusted bool) (counted bool, refusal codec.HandshakeResult) {
	if trusted || !r.perAddress.On() {
		return false, codec.HandshakeOK
	}
	refusal = a.admit(r, client)
	return refusal == codec.HandshakeOK, refusal
}

// admit counts a connection from an address, or says why it is refused.
func (a *Control) admit(r *Rules, addr netip.Addr) codec.HandshakeResult {
	switch a.addresses.Admit(addr, r.perAddress, a.config.Elapsed()) {
	case quota.TooMany:
		return codec.HandshakeTooMany
	case quota.TooFast:
		return codec.HandshakeTooFast
	}
	return codec.HandshakeOK
}

// Count counts a connection that exists already, unless its address is not limited. It
// reports whether Release must follow.
func (a *Control) Count(r *Rules, addr netip.Addr) (counted bool) {
	if !r.perAddress.On() || r.Trusts(addr) {
		return false
	}
	a.addresses.Count(addr)
	return true
}

// Release undoes the counting of a connection that has ended.
func (a *Control) Release(addr netip.Addr) { a.addresses.Release(addr, a.config.Elapsed()) }

// EndRefusal notes that a socket with a Refusal of Connect has been closed. It ignores
// refusals for other reasons.
func (a *Control) EndRefusal(why codec.HandshakeResult) {
	if OverLimit(why) {
		a.refusing.Add(-1)
	}
}

// OverLimit reports whether a refusal is one of Connect: for a limit by address.
func OverLimit(why codec.HandshakeResult) bool {
	return why == codec.HandshakeTooMany || why == codec.HandshakeTooFast
}
