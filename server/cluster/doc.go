// Package cluster makes several gateways one: [Node] is a gateway.Gateway that
// answers every verb for the clients of all nodes. It works over the gateway of its
// own process and a [Transport] to the other nodes.
//
// # Who belongs to it
//
// Members exchange heartbeats. Who belongs is a view: a list of members with a
// number, and each view is decided by a majority of the one before (single-decree
// Paxos, ballot.go). Of an even number, the half that has the lowest node counts as
// the majority. A process that starts again is another member, so nothing has to be
// kept on disk.
//
// A heartbeat echoes the time stamps of those that the sender has heard, and so
// grants them a lease: until it has run out, the sender does not vote for a view
// without them. A member counts it from the time at which it sent what was echoed.
// So a member that is voted out knows, before that happens, that it may be.
//
// # What makes an answer complete
//
// A verb is carried out where the client lives. The node that was asked sends it to
// the members that may have such clients and sums up. Its answer is complete if all
// of them have answered and it holds a lease of every member at that time. Since a
// new member needs the leases of all, whoever answers later and completely, asks the
// same clients or more.
//
// Requests say by when their sender will have given up, and the receiver knows an
// upper bound of the sender's clock: what comes too late is refused, never carried
// out after the answer. Sequence numbers refuse what comes twice.
package cluster
