package cluster

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"castgate/server/cluster/internal/message"
	"castgate/server/gateway"
)

// exclusives are the exclusive binds of this node's clients. Each has a stamp; it is
// told to all members after it was noted here. So of two binds of a uid at the same
// moment at least one meets the other, and the later stamp stays.
type exclusives struct {
	caller *caller
	asked  gateway.Asked
	lanes  executor

	uids [64]sync.Mutex // by hash: held while a bind or a claim of a uid is carried out

	mu      sync.Mutex
	claims  map[string]claim // by uid
	credits map[message.Claim]int
	debts   map[message.Member]bool // members to be told of all claims; true while that goes on
	swept   int64
	// plain are binds that are not exclusive, made while this node lacked others: claims
	// from the other side come late. Some by uid, noted in all, and since when none is lacking.
	plain map[string][]claim
	noted int
	since int64
}

// Limits of what is kept of plain binds: how many, and for how many leases after this node
// lacks nobody any more.
const (
	mostNoted = 1 << 16
	keepNoted = 4
)

// bindPlainly binds a client of this node, and keeps when if older claims may come.
func (e *exclusives) bindPlainly(ctx context.Context, b gateway.Bind) (gateway.BindResult, error) {
	if e.caller.holdsLease() {
		return e.asked.Bind(ctx, b)
	}
	defer e.lock(b.UID).Unlock()
	stamp := message.Stamp{HLC: e.caller.now(), By: e.caller.self}
	result, err := e.asked.Bind(ctx, b)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil && e.noted < mostNoted {
		if e.plain == nil {
			e.plain = map[string][]claim{}
		}
		e.plain[b.UID] = append(e.plain[b.UID], claim{stamp, b.ClientID})
		e.noted++
	}
	return result, err
}

// later are the clients that were bound plainly after a claim.
func (e *exclusives) later(by message.Claim) (clientIDs []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.plain[by.UID] {
		if c.stamp.After(by.Stamp) {
			clientIDs = append(clientIDs, c.clientID)
		}
	}
	return clientIDs
}

// forgetPlain drops what is kept of plain binds once no late claim can come. The caller
// holds Node.mu and mu.
func (e *exclusives) forgetPlain(now int64) {
	l := e.caller.lacks(now)
	switch {
	case e.noted == 0 || !l.none():
		e.since = 0
	case e.since == 0:
		e.since = now
	case now-e.since > keepNoted*e.caller.lease:
		e.plain, e.noted = nil, 0
	}
}

// claim is one exclusive bind.
type claim struct {
	stamp    message.Stamp
	clientID string
}

var uidSeed = maphash.MakeSeed()

func (e *exclusives) lock(uid string) *sync.Mutex {
	mu := &e.uids[maphash.String(uidSeed, uid)%uint64(len(e.uids))]
	mu.Lock()
	return mu
}

func (e *exclusives) get(uid string) (claim, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.claims[uid]
	return c, ok
}

func (e *exclusives) set(uid string, c claim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.claims[uid] = c
}

func (e *exclusives) drop(uid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.claims, uid)
}

// mostCredits is how many credits are kept; they are taken within milliseconds.
const mostCredits = 4096

// credit notes how many clients were closed here for a claim that has not come yet,
// so that they are counted when it does.
func (e *exclusives) credit(c message.Claim, kicked int) {
	if kicked == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.credits == nil || len(e.credits) >= mostCredits {
		e.credits = map[message.Claim]int{}
	}
	e.credits[c] += kicked
}

func (e *exclusives) takeCredit(c message.Claim) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.credits[c]
	delete(e.credits, c)
	return n
}

// bind binds a client of this node and closes the uid's other connections on all
// nodes. The names were checked and announced, with need as what that has returned.
func (e *exclusives) bind(ctx context.Context, b gateway.Bind, need uint64) (gateway.BindResult, error) {
	lock := e.lock(b.UID)
	mine := message.Claim{UID: b.UID, Stamp: message.Stamp{HLC: e.caller.now(), By: e.caller.self}}
	result, err := e.asked.Bind(ctx, b)
	if err == nil {
		e.set(b.UID, claim{mine.Stamp, b.ClientID})
	}
	lock.Unlock()
	if err != nil {
		return result, err
	}
	c, err := e.caller.begin(ctx, &message.Request{Verb: message.VerbReplace, Claims: []message.Claim{mine}}, e.caller.holders([]string{b.UID}, nil), nil)
	if err != nil {
		return result, err
	}
	c.need = need
	c.finish(ctx)
	result.Kicked += c.sum(0)
	e.giveWay(ctx, c)
	e.caller.mu.Lock()
	for i := range c.asked {
		if q := &c.asked[i]; q.state != answered || q.reply.Code != "" {
			e.owe(q.to)
		}
	}
	for _, m := range e.caller.others() {
		if slices.Contains(c.lacking.nodes, m.Node) { // it may not have known whom to ask
			e.owe(m)
		}
	}
	e.caller.mu.Unlock()
	return result, c.incomplete()
}

// giveWay closes the clients of this node whose uids belong to later binds, as
// others have answered.
func (e *exclusives) giveWay(ctx context.Context, c *call) {
	c.replies(func(q *question) {
		for _, later := range q.reply.Newer {
			kicked, _, _ := e.replace(ctx, later)
			e.credit(later, kicked)
		}
	})
}

// replace closes the connections that a uid has here, unless one of them has been
// bound exclusively later; then it returns the stamp of that.
func (e *exclusives) replace(ctx context.Context, by message.Claim) (kicked int, later *message.Stamp, err error) {
	defer e.lock(by.UID).Unlock()
	have, ok := e.get(by.UID)
	if ok && have.stamp == by.Stamp {
		return 0, nil, nil
	}
	if ok && have.stamp.After(by.Stamp) && !e.caller.faults.noStamp && e.bound(ctx, by.UID, have.clientID) {
		return 0, &have.stamp, nil
	}
	kicked, err = e.asked.Kick(ctx, gateway.Kick{To: gateway.Targets{UIDs: []string{by.UID}}, ExcludeClientIDs: e.later(by), Code: replacedCode, Reason: "replaced"})
	if err == nil {
		e.drop(by.UID)
	}
	return kicked, nil, err
}

// replacedCode closes a client whose uid was bound elsewhere exclusively.
const replacedCode = 4001

// bound tells whether a client of this node has a uid.
func (e *exclusives) bound(ctx context.Context, uid, clientID string) bool {
	page, err := e.asked.Clients(ctx, gateway.List{UID: uid, Limit: gateway.MaxPageLen})
	return err != nil || slices.ContainsFunc(page.Rows, func(c gateway.ClientInfo) bool { return c.ClientID == clientID })
}

// executeReplace carries out claims of another node.
func (e *exclusives) executeReplace(ctx context.Context, q *message.Request) (r message.Reply, err error) {
	sum := 0
	for _, c := range q.Claims {
		kicked, later, err := e.replace(ctx, c)
		if err != nil {
			return r, err // it is told again, see owe
		}
		sum += kicked + e.takeCredit(c)
		if later != nil {
			r.Newer = append(r.Newer, message.Claim{UID: c.UID, Stamp: *later})
		}
	}
	r.Numbers = []int64{int64(sum)}
	return r, nil
}

// owe notes that a member must be told of all claims: it has not heard of some.
func (e *exclusives) owe(m message.Member) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.debts == nil {
		e.debts = map[message.Member]bool{}
	}
	if _, known := e.debts[m]; !known {
		e.debts[m] = false
	}
}

// Limits of telling a member of all claims, and of looking after them.
const (
	claimsPerRequest = 256
	claimsPerSweep   = 64
)

// sweep begins to tell members of claims, and drops claims whose client is gone. The
// caller holds Node.mu.
func (e *exclusives) sweep(now int64) {
	e.mu.Lock()
	e.forgetPlain(now)
	var ready []message.Member
	for m, busy := range e.debts {
		switch {
		case !e.caller.member(m) || len(e.claims) == 0 || e.caller.faults.noReconcile:
			delete(e.debts, m)
		case !busy && !e.caller.suspect(e.caller.peers[m], now) && e.caller.upSince != 0:
			ready = append(ready, m)
			e.debts[m] = true
		}
	}
	var looked map[string]claim
	if now-e.swept > e.caller.lease {
		e.swept, looked = now, map[string]claim{}
		for uid, c := range e.claims {
			if looked[uid] = c; len(looked) == claimsPerSweep {
				break
			}
		}
	}
	e.mu.Unlock()
	slices.SortFunc(ready, message.Member.Compare)
	for _, m := range ready {
		if !e.lanes.run(e.caller.self, true, 0, func() { e.tellClaims(m) }) {
			e.settle(m, false)
		}
	}
	for uid, c := range looked {
		if !e.bound(context.Background(), uid, c.clientID) {
			e.mu.Lock()
			if e.claims[uid] == c {
				delete(e.claims, uid)
			}
			e.mu.Unlock()
		}
	}
}

// settle ends what sweep has begun.
func (e *exclusives) settle(m message.Member, told bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if told {
		delete(e.debts, m)
		return
	}
	e.debts[m] = false
}

// tellClaims tells a member of all claims of this node, and gives way to later ones.
func (e *exclusives) tellClaims(m message.Member) {
	ctx := context.Background()
	e.mu.Lock()
	all := make([]message.Claim, 0, len(e.claims))
	for uid, c := range e.claims {
		all = append(all, message.Claim{UID: uid, Stamp: c.stamp})
	}
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b message.Claim) int { return cmp.Compare(a.UID, b.UID) })
	for part := range slices.Chunk(all, claimsPerRequest) {
		c, err := e.caller.begin(ctx, &message.Request{Verb: message.VerbReplace, Claims: part}, []message.Member{m}, nil)
		if err != nil {
			break
		}
		c.finish(ctx)
		e.giveWay(ctx, c)
		if q := &c.asked[0]; q.state != answered || q.reply.Code != "" {
			e.settle(m, false)
			return
		}
	}
	e.settle(m, true)
}
