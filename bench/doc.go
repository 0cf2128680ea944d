// Package bench measures castgate beside the floor, a plain loop of send()
// over the same sockets (bench/floor), on one machine and in one go.
//
// Both run as processes of their own, in turn, in several rounds; every round
// goes through the same phases in the same order, warmed up first, because a
// receiver that has been idle for longer than the retransmission timeout
// acknowledges its next segments one by one and the sender pays for it. The
// swarm that receives and checks every message (package loadtest) runs in the
// harness's process, on the same cores: what a server can carry is found with
// that, not on a machine of its own. Rounds in which something else used the
// processor are dropped and repeated.
package bench
