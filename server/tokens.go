package server

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"castgate/codec"
	"castgate/server/internal/table"
	"castgate/server/keyset"
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
	several  bool   // several tokens in Sec-WebSocket-Protocol
	bad      bool   // one there has a character that no subprotocol has
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
			o.several = o.several || o.token != nil
			o.bad = o.bad || !codec.IsToken(item)
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
	case o.several:
		l.refuseToken(slot, c, &token.Refusal{Reason: token.Repeated})
	case o.bad:
		l.refuseToken(slot, c, &token.Refusal{Reason: token.Malformed})
	case len(o.token) == 0 && p.JWT.Required:
		l.refuseToken(slot, c, &token.Refusal{Reason: token.Missing})
	case len(o.token) == 0:
		l.entrance.welcome(slot, c, r, nil)
	default:
		k := check{loop: l, client: l.handle(slot, c), verifier: p.verifier, keys: p.keys, token: string(o.token),
			request: request{head: bytes.Clone(r.head), answer: bytes.Clone(r.answer)}}
		if !l.srv.checks.add(k) {
			l.refuseToken(slot, c, errTokenBusy)
			return
		}
		c.state = connVerifying
		if len(r.rest) > 0 {
			l.heads.keep(slot, c, r.rest)
		}
	}
}

// checked takes the outcome of a check. The loop's goroutine.
func (l *loop) checked(k *check, id token.Identity, why *token.Refusal) {
	slot := k.client.Slot()
	c := l.conn(slot)
	if c == nil || c.gen != k.client.Gen() || c.state != connVerifying {
		return // it has gone, or its time was over
	}
	defer l.survive(slot, c.gen)
	if c.in != nil {
		k.request.rest = c.in.head
		l.reader.releaseInbound(c)
	}
	if !l.reader.resume(c) {
		l.exit.closeNow(slot, c, closeInternal)
		return
	}
	if why != nil {
		l.refuseToken(slot, c, why)
		return
	}
	l.entrance.welcome(slot, c, k.request, &id)
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

// errTokenBusy is the refusal of a token that nobody has looked at.
var errTokenBusy = &token.Refusal{Reason: token.Busy}

// tokenResults are the outcomes of handshakes by the reasons for which tokens
// are refused. Several reasons are one outcome; each has a counter of its own.
var tokenResults = [token.NumReasons]codec.HandshakeResult{
	token.Missing:     codec.HandshakeNoToken,
	token.Repeated:    codec.HandshakeBadToken,
	token.Malformed:   codec.HandshakeBadToken,
	token.NoKeys:      codec.HandshakeTokenBusy,
	token.Algorithm:   codec.HandshakeBadToken,
	token.UnknownKey:  codec.HandshakeBadToken,
	token.Signature:   codec.HandshakeBadToken,
	token.Claim:       codec.HandshakeTokenClaims,
	token.Expired:     codec.HandshakeTokenExpired,
	token.NotYetValid: codec.HandshakeTokenEarly,
	token.Audience:    codec.HandshakeTokenAudience,
	token.Issuer:      codec.HandshakeTokenIssuer,
	token.Busy:        codec.HandshakeTokenBusy,
}

// refuseToken ends a handshake for its token, or for want of one.
func (l *loop) refuseToken(slot uint32, c *conn, why *token.Refusal) {
	result := tokenResults[why.Reason]
	l.count.tokens[why.Reason].Add(1)
	l.entrance.refuseAs(slot, c, result, why.Reason.String(), func(answer []byte) []byte {
		return codec.AppendRefusalSaying(answer, result, why.Error(), why.Reason.String())
	})
}

// unusable says why a good token makes nobody a client: its sub or groups are no
// names. Nil if they are.
func unusable(id *token.Identity, names nameLimit) *token.Refusal {
	switch {
	case id.UID != "" && names.check("uid", id.UID) != nil:
		return &token.Refusal{Reason: token.Claim, Claim: "sub"}
	case names.checkAll("group", id.Groups) != nil:
		return &token.Refusal{Reason: token.Claim, Claim: "groups"}
	}
	return nil
}

// check is a token to be checked off the loops.
type check struct {
	loop     *loop
	client   table.Handle
	verifier *token.Verifier
	keys     *keyset.Set // of verifier; nil: none are fetched
	token    string
	request  request // its own copy
	waited   bool    // for a fetch of keys
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

// run checks one token and tells its loop. One whose key may be new waits, once,
// for the keys to be fetched; its handshake-timeout goes on.
func (k *check) run() {
	id, why := k.verify()
	if why != nil && (why.Reason == token.UnknownKey || why.Reason == token.NoKeys) && k.keys != nil && !k.waited {
		k.waited = true
		if k.keys.Await(func() {
			if !k.loop.srv.checks.add(*k) {
				k.tell(token.Identity{}, errTokenBusy)
			}
		}) {
			return
		}
	}
	k.tell(id, why)
}

// tell has the loop go on with the outcome.
func (k *check) tell(id token.Identity, why *token.Refusal) {
	k.loop.mail.post(command{kind: cmdFunc, run: func(l *loop) {
		if len(id.Groups) < manyGroups {
			l.checked(k, id, why)
			return
		}
		l.entrance.later(func() { l.checked(k, id, why) })
	}})
}

func (k *check) verify() (id token.Identity, why *token.Refusal) {
	defer func() {
		if p := recover(); p != nil {
			why = token.ErrInvalid
			k.loop.count.panics.Add(1)
			k.loop.srv.log.Error("defect while checking a token", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	id, err := k.verifier.Verify(k.token)
	if err == nil {
		return id, unusable(&id, k.loop.srv.names)
	}
	if refusal, ok := errors.AsType[*token.Refusal](err); ok {
		return id, refusal
	}
	return id, token.ErrInvalid
}
