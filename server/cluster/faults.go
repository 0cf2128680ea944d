package cluster

// faults are mistakes that a node makes on purpose: tests show with them that they
// would find such a mistake. Nobody else sets them.
type faults struct {
	ignoreLease    bool // answers are complete without the leases of all members
	dismissEarly   bool // votes are given before a lease that was granted is over
	skipReply      bool // the last answer of each call is not waited for
	ignoreDeadline bool // requests are carried out however late they come
	ignoreRepeats  bool // and however often
	noReconcile    bool // exclusive binds are not told to nodes that come back
	noStamp        bool // of two exclusive binds, the one that comes later wins
	skipHeard      bool // binds do not wait until others have heard of the names
	ignoreGap      bool // changes of another node's names that are missing are not missed
}
