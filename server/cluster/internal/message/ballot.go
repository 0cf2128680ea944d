package message

// Ballot is a message of the vote on the view that follows View: which it is, the
// members of View decide by single-decree Paxos.
type Ballot struct {
	Chain, Epoch uint64 // of the view that votes
	Round        uint64 // of the ballot; who made it breaks a tie
	By           Member
	// Granted is whether a promise or an acceptance was given; if not, Round and By
	// are those of the ballot that stands in its way.
	Granted bool
	// Next is the view proposed in an accept; in a promise the one accepted before, if
	// Voted, in the ballot of VotedRound and VotedBy. Voted in an accept says that Next
	// was taken from a promise, since it may have been decided already.
	Voted      bool
	VotedRound uint64
	VotedBy    Member
	Next       View
}

// Append appends the body.
func (b *Ballot) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(b.Chain)
	w.Uint(b.Epoch)
	w.Uint(b.Round)
	w.Member(b.By)
	w.Bool(b.Granted)
	w.Bool(b.Voted)
	if b.Voted {
		w.Uint(b.VotedRound)
		w.Member(b.VotedBy)
	}
	w.view(&b.Next)
	return w.B
}

// DecodeBallot reads the body of a message of a vote.
func DecodeBallot(body []byte) (b Ballot, err error) {
	r := Read(body)
	b = Ballot{Chain: r.Uint(), Epoch: r.Uint(), Round: r.Uint(), By: r.Member(), Granted: r.Bool(), Voted: r.Bool()}
	if b.Voted {
		b.VotedRound, b.VotedBy = r.Uint(), r.Member()
	}
	b.Next = r.view()
	return b, r.Done()
}
