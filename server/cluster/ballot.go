package cluster

import (
	"slices"

	"castgate/server/cluster/internal/message"
)

// vote is what this node has promised and accepted about the view after its own
// (Lamport, Paxos Made Simple, 2001). It is forgotten with the view.
type vote struct {
	round uint64 // no ballot before this one is answered
	by    message.Member

	voted      bool
	votedRound uint64
	votedBy    message.Member
	next       message.View

	// doomed is a view that may have been decided, and that this node could not vote
	// for since leases were not over: it grants no more to those who are not in it.
	doomed message.View
}

// excludes tells whether this node has voted for a view without a member, or will
// have to.
func (v *vote) excludes(m message.Member) bool {
	return v.voted && !contains(&v.next, m) || v.doomed.Chain != 0 && !contains(&v.doomed, m)
}

// before orders ballots.
func before(round uint64, by message.Member, round2 uint64, by2 message.Member) bool {
	return round < round2 || round == round2 && by.Compare(by2) < 0
}

// proposal is a ballot of this node's.
type proposal struct {
	round    uint64
	promises map[message.Member]*message.Ballot
	accepts  map[message.Member]bool
	// best is what the latest of those who have promised had accepted before.
	best      *message.Ballot
	next      message.View // what is proposed, once there are enough promises
	accepting bool
	deadline  int64 // then another ballot is made
}

// considerView makes a ballot if another view is needed. The caller holds mu.
func (n *roster) considerView(now int64) {
	if n.view.Chain == 0 {
		n.considerBeginning(now)
		return
	}
	next := n.needed(now)
	same := slices.Equal(next, n.view.Members)
	if n.gone || same && !n.vote.voted {
		n.needFrom, n.proposal = 0, nil
		return
	}
	if n.needFrom == 0 {
		n.needFrom = now
	}
	patience := int64(n.rank(now)) * n.lease / 8
	if same { // a vote is left that came to nothing; whom it is without gets no lease
		patience += n.lease / 4
	}
	switch {
	case n.upSince == 0 || !n.viable(next, now):
		return
	case n.proposal != nil && now < n.proposal.deadline:
		return
	case n.proposal == nil && now < n.needFrom+patience:
		return // it is for another one first
	}
	n.round++
	n.proposal = &proposal{
		round: n.round, promises: map[message.Member]*message.Ballot{}, accepts: map[message.Member]bool{},
		deadline: now + n.lease/8 + n.rng.Int64N(n.lease/8),
	}
	n.canvass(message.KindPrepare, &message.Ballot{}, now)
}

// viable tells whether the members that stay could decide for the next view by
// themselves. The caller holds mu.
func (n *roster) viable(next []message.Member, now int64) bool {
	votes := map[message.Member]bool{}
	for _, m := range next {
		votes[m] = true
	}
	_, enough := n.decide(votes, now)
	return enough
}

// rank is how many members that are heard come before this one.
func (n *roster) rank(now int64) (rank int) {
	for _, m := range n.view.Members {
		if m == n.self {
			break
		}
		if !n.suspect(n.peers[m], now) {
			rank++
		}
	}
	return rank
}

// needed are the members that the view should have. The caller holds mu.
func (n *roster) needed(now int64) (next []message.Member) {
	next = make([]message.Member, 0, len(n.view.Members))
	taken := func(node uint16) bool {
		return slices.ContainsFunc(next, func(m message.Member) bool { return m.Node == node })
	}
	for _, m := range n.view.Members {
		silent := n.suspect(n.peers[m], now) && now-n.hearsSince >= n.lease
		if m == n.self || !n.dismissible(m, now) || !silent && !n.departed(m, now) {
			next = append(next, m)
		}
	}
	var joining []message.Member
	for m, p := range n.peers {
		if p.version == 0 && p.beat.View.Chain == 0 && p.known && !p.beat.Draining && !n.suspect(p, now) && !taken(m.Node) && !n.member(m) {
			joining = append(joining, m)
		}
	}
	slices.SortFunc(joining, message.Member.Compare)
	for _, m := range joining {
		if !taken(m.Node) && len(next) < message.MaxMembers {
			next = append(next, m)
		}
	}
	slices.SortFunc(next, message.Member.Compare)
	return next
}

// strayed tells whether a member says that it is not one, and not only because it has
// not heard yet: it has to go and come in again. The caller holds mu.
func (n *roster) strayed(m message.Member) bool {
	p := n.peers[m]
	return p != nil && p.beat.View.Chain != n.view.Chain && p.heardAt > n.viewFrom+n.lease/2
}

// dismissible tells whether this node may vote for a view without a member: the
// lease that it has granted is over, or the member has given it up. The caller holds
// mu.
func (n *roster) dismissible(m message.Member, now int64) bool {
	p := n.peers[m]
	if p == nil { // never heard, so nothing was granted
		return now-n.viewFrom > n.lease
	}
	return now >= p.grantUntil || n.departed(m, now) || n.faults.dismissEarly
}

// considerBeginning begins a chain of this node alone if nobody is there who could
// take it in, and it is the first of all that wait. The caller holds mu.
func (n *roster) considerBeginning(now int64) {
	if n.upSince == 0 || now-n.upSince < n.lease/2 || n.draining || n.duplicated(now) {
		return
	}
	for m, p := range n.peers {
		if p.version != 0 || n.suspect(p, now) || p.beat.Draining {
			continue
		}
		if p.beat.View.Chain != 0 || m.Compare(n.self) < 0 {
			return
		}
	}
	n.install(message.View{Chain: 1 + n.rng.Uint64N(1<<62), Epoch: 1, Members: []message.Member{n.self}}, now)
}

// canvass sends a message of this node's ballot to the members, itself included.
func (n *roster) canvass(kind message.Kind, b *message.Ballot, now int64) {
	b.Chain, b.Epoch, b.Round, b.By = n.view.Chain, n.view.Epoch, n.proposal.round, n.self
	for _, m := range n.others() {
		n.send(m, kind, b.Append)
	}
	n.onBallot(n.self, kind, b, now)
}

// onBallot takes in a message of a vote. The caller holds mu.
func (n *roster) onBallot(from message.Member, kind message.Kind, b *message.Ballot, now int64) {
	if n.view.Chain == 0 || b.Chain != n.view.Chain || b.Epoch != n.view.Epoch || !contains(&n.view, from) {
		return // the heartbeats tell both sides which view it is
	}
	n.round = max(n.round, b.Round)
	switch kind {
	case message.KindPrepare:
		n.promise(from, b, now)
	case message.KindAccept:
		n.accept(from, b, now)
	case message.KindPromise:
		n.onPromise(from, b, now)
	case message.KindAccepted:
		n.onAccepted(from, b, now)
	}
}

func (n *roster) promise(from message.Member, b *message.Ballot, now int64) {
	v := &n.vote
	r := message.Ballot{Chain: b.Chain, Epoch: b.Epoch, Round: b.Round, By: b.By, Granted: true}
	if before(b.Round, b.By, v.round, v.by) {
		r.Granted, r.Round, r.By = false, v.round, v.by
	} else {
		v.round, v.by = b.Round, b.By
		if v.voted {
			r.Voted, r.VotedRound, r.VotedBy, r.Next = true, v.votedRound, v.votedBy, v.next
		}
	}
	n.answerBallot(from, message.KindPromise, &r, now)
}

func (n *roster) accept(from message.Member, b *message.Ballot, now int64) {
	v := &n.vote
	r := message.Ballot{Chain: b.Chain, Epoch: b.Epoch, Round: b.Round, By: b.By}
	r.Granted = !before(b.Round, b.By, v.round, v.by)
	for _, m := range n.view.Members {
		// Nobody proposes a view without itself, but may have to let one through.
		may := m == n.self && (n.gone || b.Voted) || m != n.self && n.dismissible(m, now)
		if !contains(&b.Next, m) && !may {
			r.Granted = false
		}
	}
	switch {
	case !r.Granted && b.Voted:
		v.doomed = b.Next
	case r.Granted:
		*v = vote{round: b.Round, by: b.By, voted: true, votedRound: b.Round, votedBy: b.By, next: b.Next}
	}
	n.answerBallot(from, message.KindAccepted, &r, now)
}

func (n *roster) answerBallot(to message.Member, kind message.Kind, r *message.Ballot, now int64) {
	if to == n.self {
		n.onBallot(n.self, kind, r, now)
		return
	}
	n.send(to, kind, r.Append)
}

func (n *roster) onPromise(from message.Member, b *message.Ballot, now int64) {
	p := n.proposal
	if p == nil || p.accepting || !b.Granted || b.Round != p.round || b.By != n.self {
		return
	}
	p.promises[from] = b
	if b.Voted && (p.best == nil || before(p.best.VotedRound, p.best.VotedBy, b.VotedRound, b.VotedBy)) {
		p.best = b
	}
	regular, enough := n.decide(votesOf(p.promises), now)
	if !enough {
		return
	}
	next := n.needed(now)
	switch {
	case p.best != nil && n.mayBeDecided(p):
		if len(p.promises) < n.heardMembers(now) {
			return // another promise may show that it is not
		}
		p.next = p.best.Next
	case !n.viable(next, now):
		return // those who have promised are not heard any more
	case regular:
		p.next = message.View{Chain: n.view.Chain, Epoch: n.view.Epoch + 1, Members: next}
	default: // those who have ended may have decided something that nobody here knows
		p.next = message.View{Chain: 1 + n.rng.Uint64N(1<<62), Epoch: 1, Members: next}
	}
	p.accepting = true
	accept := &message.Ballot{Next: p.next}
	if p.best != nil && sameView(&p.next, &p.best.Next) {
		accept.Voted, accept.VotedRound, accept.VotedBy = true, p.best.VotedRound, p.best.VotedBy
	}
	n.canvass(message.KindAccept, accept, now)
}

func votesOf(promises map[message.Member]*message.Ballot) map[message.Member]bool {
	votes := map[message.Member]bool{}
	for m := range promises {
		votes[m] = true
	}
	return votes
}

// mayBeDecided tells whether what the best of the promises had accepted may have been
// decided already: those who have accepted the same, and those who have not said, are
// enough for it.
func (n *roster) mayBeDecided(p *proposal) bool {
	votes, all := map[message.Member]bool{}, true
	for _, m := range n.view.Members {
		promise := p.promises[m]
		same := promise != nil && promise.Voted && sameView(&promise.Next, &p.best.Next)
		votes[m] = promise == nil || same
		all = all && votes[m]
	}
	return all || quorum(&n.view, votes)
}

func sameView(a, b *message.View) bool {
	return a.Chain == b.Chain && a.Epoch == b.Epoch && slices.Equal(a.Members, b.Members)
}

// heardMembers is how many members are heard, this node included.
func (n *roster) heardMembers(now int64) (count int) {
	for _, m := range n.view.Members {
		if m == n.self || !n.suspect(n.peers[m], now) {
			count++
		}
	}
	return count
}

// decide tells whether votes are enough: a quorum, or all members that have not
// ended for certain.
func (n *roster) decide(votes map[message.Member]bool, now int64) (regular, enough bool) {
	if quorum(&n.view, votes) {
		return true, true
	}
	for _, m := range n.view.Members {
		if !votes[m] && (m == n.self || !n.departed(m, now)) {
			return false, false
		}
	}
	return false, true
}

func (n *roster) onAccepted(from message.Member, b *message.Ballot, now int64) {
	p := n.proposal
	if p == nil || !p.accepting || !b.Granted || b.Round != p.round || b.By != n.self {
		return
	}
	p.accepts[from] = true
	if _, enough := n.decide(p.accepts, now); !enough {
		return
	}
	n.goTo(p.next, now)
}
