package server

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"castgate/codec"
	"castgate/server/internal/table"
	"castgate/server/token"
)

const (
	// subprotocol is what a page offers beside its token, to have something
	// else than the token selected. It is selected wherever it is offered, by the
	// codec, so that a page with a token can connect where none is looked for.
	subprotocol = "castgate"
	// bearerPrefix begins the offer that is a token. A token's characters are
	// those of a subprotocol (RFC 6455 section 4.1, RFC 7515 section 3.1).
	bearerPrefix = "bearer."
)

// credential is what a request's head brings along for Policy.JWT.
type credential struct {
	token    []byte // nil: none
	selected []byte // the offer of a token that is to be answered with; nil: none
	named    bool   // subprotocol is offered, and answered with
	bad      bool   // several tokens in Sec-WebSocket-Protocol, or none that can be one
}

// findToken looks for a token in a request's head. An empty one is none: that
// is what a page sends that has no user yet.
func findToken(head []byte, j *JWT) (o credential) {
	var cookie []byte
	for name, value := range codec.Fields(head) {
		switch {
		case codec.IsField(name, "sec-websocket-protocol"):
			o.takeProtocols(value)
		case j.Cookie != "" && cookie == nil && codec.IsField(name, "cookie"):
			cookie, _ = codec.CookieValue(value, j.Cookie)
		}
	}
	if len(o.token) == 0 {
		o.token = cookie
	}
	if len(o.token) == 0 && j.Query != "" {
		o.token, _ = codec.QueryValue(codec.Query(head), j.Query)
	}
	return o
}

// takeProtocols takes one Sec-WebSocket-Protocol field. What is selected must
// be an offer, or a browser ends the connection: castgate if the page offers
// it, so that the token does not come back, else the token's.
func (o *credential) takeProtocols(value []byte) {
	for more := true; more; {
		var item []byte
		item, value, more = bytes.Cut(value, []byte{','})
		item = bytes.Trim(item, " \t")
		switch {
		case string(item) == subprotocol:
			o.named = true
		case bytes.HasPrefix(item, []byte(bearerPrefix)):
			o.bad = o.bad || o.token != nil || !codec.IsToken(item)
			o.token = item[len(bearerPrefix):]
			if o.selected == nil {
				o.selected = item
			}
		}
	}
}

// askToken goes on with a good request for which Policy.JWT counts.
func (l *loop) askToken(slot uint32, c *conn, p *policy, r request) {
	o := findToken(r.head, &p.JWT)
	if o.selected != nil && !o.named {
		r.answer = codec.AddField(r.answer, "Sec-WebSocket-Protocol", o.selected)
	}
	switch {
	case o.bad:
		l.refuse(slot, c, codec.HandshakeBadToken)
	case len(o.token) == 0 && p.JWT.Required:
		l.refuse(slot, c, codec.HandshakeNoToken)
	case len(o.token) == 0:
		l.welcome(slot, c, r, nil)
	default:
		k := check{loop: l, client: l.handle(slot, c), verifier: p.verifier, token: string(o.token),
			request: request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}}
		if !l.srv.checks.add(k) {
			l.refuse(slot, c, codec.HandshakeTokenBusy)
			return
		}
		c.state = connVerifying
		if len(r.rest) > 0 {
			l.keepHead(slot, c, r.rest)
		}
	}
}

// checked takes the outcome of a check. The loop's goroutine.
func (l *loop) checked(k *check, id token.Identity, why codec.HandshakeResult) {
	slot := k.client.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != k.client.Gen() || c.state != connVerifying {
		return // it has gone, or its time was over
	}
	defer l.survive(slot, c.gen)
	if c.in != nil {
		k.request.rest = c.in.head
		l.releaseInbound(c)
	}
	if !l.resume(c) {
		l.closeNow(slot, c, closeInternal)
		return
	}
	if why != codec.HandshakeOK {
		l.refuse(slot, c, why)
		return
	}
	l.welcome(slot, c, k.request, &id)
}

// identify makes a new client, which nobody has been told of, who its token
// says it is.
func (l *loop) identify(slot uint32, c *conn, id *token.Identity) {
	h, r := l.handle(slot, c), l.srv.registry
	r.lookup(h, func(cl *client) {
		if id.UID != "" {
			r.bind(h, cl, id.UID)
		}
		for _, g := range id.Groups {
			r.join(h, cl, g)
		}
	})
	if !id.Expires.IsZero() {
		l.expireAt(slot, c, id.Expires.Unix())
	}
}

// expireAt has a client closed at a Unix time. It is kept beside the slots: most
// clients need none, and c.due says by when they must be bound.
func (l *loop) expireAt(slot uint32, c *conn, at int64) {
	c.set(flagExpires)
	ch := l.slots.chunkAt(slot)
	if ch.expires == nil {
		ch.expires = new([chunkLen]uint32)
	}
	ch.expires[slot%chunkLen] = uint32(min(max(at, 0), 1<<32-1))
}

// secondsLeft is how long the token of a client with flagExpires is still
// good, by the wall clock, which the token's times are of.
func (l *loop) secondsLeft(slot uint32) int64 {
	return int64(l.slots.chunkAt(slot).expires[slot%chunkLen]) - l.sys.now().Unix()
}

// tokenResult says how a token's check ends the handshake.
func tokenResult(id *token.Identity, err error) codec.HandshakeResult {
	switch {
	case err == nil && (id.UID != "" && checkName("uid", id.UID) != nil || checkNames("group", id.Groups) != nil):
		return codec.HandshakeTokenClaims
	case err == nil:
		return codec.HandshakeOK
	case errors.Is(err, token.ErrExpired):
		return codec.HandshakeTokenExpired
	case errors.Is(err, token.ErrNotYetValid):
		return codec.HandshakeTokenEarly
	case errors.Is(err, token.ErrAudience):
		return codec.HandshakeTokenAudience
	case errors.Is(err, token.ErrIssuer):
		return codec.HandshakeTokenIssuer
	}
	return codec.HandshakeBadToken
}

// check is a token to be checked off the loops.
type check struct {
	loop     *loop
	client   table.Handle
	verifier *token.Verifier
	token    string
	request  request // its own copy
}

// maxChecks is how many tokens wait, maxCheckBytes how many bytes of requests
// with them.
const (
	maxChecks     = 1024
	maxCheckBytes = 32 << 20
)

// checks checks tokens on a few goroutines that are there only while there is
// work. A signature takes 30 to 50 microseconds, several times what a loop
// needs for a handshake without one: a flood of tokens is paid for here, by
// those who wait for theirs, and not by the loops' other clients.
type checks struct {
	most int // goroutines

	mu      sync.Mutex
	waiting []check
	bytes   int // of the requests of waiting
	running int
}

// add queues a check; false if too many wait. Any goroutine.
func (q *checks) add(k check) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxChecks || q.bytes+len(k.request.head) > maxCheckBytes {
		return false
	}
	q.bytes += len(k.request.head)
	q.waiting = append(q.waiting, k)
	if q.running < q.most {
		q.running++
		go q.work()
	}
	return true
}

// work checks until nothing waits.
func (q *checks) work() {
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.waiting = nil
			q.running--
			q.mu.Unlock()
			return
		}
		k := q.waiting[0]
		q.bytes -= len(k.request.head)
		q.waiting[0] = check{}
		q.waiting = q.waiting[1:]
		q.mu.Unlock()
		k.run()
	}
}

// run checks one token and tells its loop.
func (k *check) run() {
	id, why := k.verify()
	k.loop.post(command{kind: cmdFunc, run: func(l *loop) { l.checked(k, id, why) }})
}

func (k *check) verify() (id token.Identity, why codec.HandshakeResult) {
	defer func() {
		if p := recover(); p != nil {
			why = codec.HandshakeBadToken
			k.loop.count.panics.Add(1)
			k.loop.srv.log.Error("defect while checking a token", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	id, err := k.verifier.Verify(k.token)
	return id, tokenResult(&id, err)
}
