package server

import (
	"net/netip"
	"sync"
	"time"

	"castgate/codec"
	"castgate/server/internal/quota"
)

// limited tells the refusals that Server.refusing counts.
func limited(r codec.HandshakeResult) bool {
	return r == codec.HandshakeTooMany || r == codec.HandshakeTooFast
}

// admit counts a connection from a, or says why it is refused. Any goroutine.
func (s *Server) admit(p *policy, a netip.Addr) codec.HandshakeResult {
	switch s.addresses.Admit(a, p.perAddress, s.now()) {
	case quota.TooMany:
		return codec.HandshakeTooMany
	case quota.TooFast:
		return codec.HandshakeTooFast
	}
	return codec.HandshakeOK
}

// discharge gives back what a connection that ends counted for.
func (l *loop) discharge(slot uint32, c *conn) {
	if c.is(flagCounted) {
		l.srv.addresses.Release(l.srv.registry.address(l.handle(slot, c)).Addr(), l.srv.now())
	}
	if limited(c.why) {
		l.srv.refusing.Add(-1)
	}
}

// admitAs admits a connection whose client is known now; a trusted proxy's
// own address is not limited. A refusal is answered.
func (l *loop) admitAs(slot uint32, c *conn, p *policy, a netip.Addr, trusted bool) bool {
	if trusted || !p.perAddress.On() {
		return true
	}
	if why := l.srv.admit(p, a); why != codec.HandshakeOK {
		l.entrance.refuse(slot, c, why)
		return false
	}
	c.set(flagCounted)
	return true
}

// readProxy takes the PROXY protocol header that a trusted proxy begins with.
// What it says takes the place of the socket's address: that may be another
// trusted proxy's, which then says more in the request.
func (l *loop) readProxy(slot uint32, c *conn, b []byte) {
	if c.in != nil {
		c.in.head = append(c.in.head, b...)
		b = c.in.head
	}
	source, n, err := codec.ParseProxyHeader(b)
	if err != nil {
		l.entrance.refuse(slot, c, codec.HandshakeProxyHeader)
		return
	}
	if n == 0 { // never of more than codec.MaxProxyHeader
		if in := l.reader.partial(c); len(in.head) == 0 {
			in.head = append(in.head, b...)
		}
		return
	}
	rest := b[n:]
	if c.in != nil {
		l.reader.releaseInbound(c)
	}
	if source.IsValid() {
		l.srv.registry.readdress(l.handle(slot, c), source)
		p := l.srv.policy.Load()
		if !l.admitAs(slot, c, p, source.Addr(), p.trusts(source.Addr())) {
			return
		}
	}
	if c.form.plain() {
		gen := c.gen
		if l.entrance.openPlain(slot, c); c.gen == gen && len(rest) > 0 {
			l.reader.take(slot, c, rest)
		}
		return
	}
	c.state = connHandshake
	switch {
	case len(rest) == 0:
	case c.is(flagSecure):
		l.secure.read(slot, c, rest)
	default:
		l.entrance.readHead(slot, c, rest)
	}
}

// inspect goes on with a good request whose fields say more: for whom a trusted
// proxy speaks, and what token the client brings.
func (l *loop) inspect(slot uint32, c *conn, p *policy, r request) {
	h := l.handle(slot, c)
	if peer := l.srv.registry.address(h); !c.is(flagCounted) && p.trusts(peer.Addr()) {
		client, how := codec.ForwardedFor(r.head, peer, p.trusts)
		switch how {
		case codec.ForwardedConflict:
			l.entrance.refuse(slot, c, codec.HandshakeForwarded)
			return
		case codec.ForwardedClient, codec.ForwardedNone:
			if client != peer {
				l.srv.registry.readdress(h, client)
			}
		}
		// Clients whose proxy does not tell who they are share its allowance.
		if !l.admitAs(slot, c, p, client.Addr(), how == codec.ForwardedNone) {
			return
		}
	}
	if p.JWT.on() {
		l.askToken(slot, c, p, r)
		return
	}
	l.entrance.welcome(slot, c, r, nil)
}

// budget is Policy.HandshakeRate's bucket, for all acceptors together.
type budget struct {
	mu     sync.Mutex
	rate   quota.Rate // for which bucket is
	bucket quota.Bucket
}

// take takes one token, or returns how long to wait before trying again.
func (b *budget) take(r quota.Rate, now int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r != b.rate {
		b.rate, b.bucket = r, 0
	}
	if b.bucket.Take(r, 1, now) {
		return 0
	}
	return max(1, time.Duration(b.bucket.Wait(r, now)))
}
