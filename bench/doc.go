// Package bench compares castgate with other servers on the same machine in the
// same run: with the floor, a plain loop of send() over the same sockets
// (bench/floor; in C if there is a compiler, see Result.Floor), with rivals, and
// its control port with an HTTP server that does nothing.
//
// Each runs in its own process, in turn, in several rounds. Every round
// goes through the same phases in the same order. Each phase is warmed up,
// because a receiver that has been idle for longer than the retransmission
// timeout acknowledges its next segments one by one, at the sender's cost. The
// swarm that receives and checks every message (package loadtest) runs in the
// harness's process on the same cores, so capacities include its cost. What was
// measured while something else used the processor is dropped and repeated.
//
// # Figures
//
// A result is a list of Figures. Charts are drawn from it, so their names are
// stable. Server is the name of a server; or "<name> / floor", "<name> / noop"
// for a ratio, taken within each round; or "castgate, batches / single". Figures
// marked * have such ratios. Times are in ns; quantiles of a latency are four
// figures: p50, p99, p99.9, max. Scenarios with a load on the processor also
// have "server load", "swarm load" (the harness's process, including the load
// generator; cores) and "foreign CPU" (share of the machine).
//
//	scenario                    figures
//	fanout 2/s                  CPU a message*, messages a second* (delivered), latency <quantile>,
//	fanout 16 in flight           last receiver <quantile> (from a broadcast's sending)
//	fanout 1 in flight
//	fanout 2/s of 1 KiB
//	fanout                      messages lost
//	connect                     CPU a connect*, connects a second*, time to be open <quantile>
//	memory, bare                PSS a connection*, of the second half alone, PSS without connections,
//	memory, bound and in a group  PSS with <n>, threads, goroutines, the kernel's (below),
//	                              PSS after 1 MiB through each of <n>
//	unicast latency at 70 % of  broadcasts a second that it can carry, broadcasts a second, unicast <quantile>,
//	what <n> in flight carry      of that, late wake-ups of the caller p99, control API's answer p99, pushes refused
//	control, single             pushes a second*, CPU a push*, answer <quantile>, latency <quantile>, pushes refused
//	control, batches of 1000    the same
//	gatewayworker, sendToUid    commands a second, CPU a command, latency <quantile>, commands refused,
//	over the control API          messages lost. Over the inner port, the first two have ratios
//	over the inner port           "castgate, inner port / control API", and for sendToUid
//	                              "castgate / php"
//	(and sendToGroup, sendToAll)
//	over the inner port, 10000/s  the same without ratios, for sendToUid
//	storm                       time until all are back*, of that, until all are connected*, time to cut all off,
//	                              CPU a client*, time to be open <quantile>, messages lost
//	growth, <n> clients         CPU a message*, last receiver <quantile>
//	growth                      CPU a message, <n> clients by <m>*
//	pings                       CPU a ping and its pong*, the machine's CPU a ping and its pong*, pings a second
//	keepalive                   the same for "a probe and its answer", of castgate
//	cost, memory                those of memory
//	cost, connect               those of connect, part of TLS handshakes that were resumed
//	cost, connect again
//	cost, <n> B, 2/s            those of fanout but for messages lost, bytes a message on the wire*
//	cost, <n> B, 16 in flight
//	shortage                    clients kept, of <n>, newcomers let in afterwards, of <n>
//	flood, none                 unicast <quantile>, of that, late wake-ups of the caller p99,
//	flood, connects               TLS handshakes a second, ended in any way; and the ratio
//	flood, hellos                 "castgate wss, by none" of unicast p99
//	flood, handshakes
//
// The kernel's memory is that of the whole machine, so it includes both ends of
// a connection, the server's and the swarm's. The two are alike, so half of it
// is the server's. Its figures, in bytes per connection:
// "kernel slabs a connection, both ends" (the sum of all slab caches that grow
// by 16 bytes or more per connection), "kernel slab <cache>, both ends" (the
// largest of them; their names are the kernel's), "TCP buffers a connection,
// both ends", and "check: MemAvailable less both processes, a connection",
// which should be close to the slabs. "TCP sockets a connection, both ends" is
// a count, and should be 2. Result.Skipped lists what cannot be read.
//
// With Options.Profile each scenario is played once more on castgate while perf records
// it. Result.Profiles has the call stacks of every phase; `bench charts` draws them as
// flame graphs.
//
// # What the scenarios do
//
// pings: idle clients are pinged once a second and answer. The machine's CPU is that of both
// ends and of the kernel. Then castgate leaves it to keepalive by the kernel, as often.
//
// control: 64 persistent connections. Each pushes 64 bytes to one of 1,000
// clients, bound to uids, as soon as its last request is answered. Every push
// must arrive at its client, which costs the machine more than the answer does;
// the server that does nothing gets the same requests, but has no receivers. The
// measurement ends when the last message has arrived.
//
// gatewayworker: 64 backends call as GatewayClient does, each command on a TCP
// connection of its own that it writes to and closes at once, as fast as they
// can with at most 1,024 in flight; and the same commands over persistent
// connections to the control API. sendToUid goes to 1,000 clients in turn,
// sendToGroup to 100 groups of 10, sendToAll to 10 clients. Every message must
// arrive, in the order in which its backend called, and the measurement ends
// when the last has arrived. At 10,000 commands per second, latency is measured
// from when a command was due. If php is installed, reference/gateway.php
// executes sendToUid for 900 clients over its own inner port: the minimum that a
// gateway in PHP does, without the other work of GatewayWorker.
//
// storm: all clients, bound to uids and in 1,000 groups, are reset at once,
// reconnect and are bound again as they come. Then a push to everybody, to every
// group and to 1,000 uids must reach all, once. The floor's time is that in
// which it accepts the connections of the same swarm, once it has noticed that
// all were gone, and without binding.
//
// growth: two broadcasts per second to 1,000 and then to 19,000 clients of the
// same server; the figure is the ratio to the floor's growth.
//
// cost: memory, connect and fanout, each in a fresh process, of plain castgate,
// with compression ("castgate deflate"), with TLS ("castgate wss") and with
// both, compared with the floor and gorilla without TLS and gorilla with it
// ("gorilla wss"). The certificate has an ECDSA key on P-256. Clients connect twice, the
// second time with a TLS session if they use TLS. Messages have Options.Size and
// 1,024 bytes of JSON of prices, the same for all; compression is measured with
// the large ones only, since castgate does not compress small ones. Bytes on the
// wire are what the swarm reads from its sockets. Memory needs its Options.Idle
// of 10 s: handshakes leave much garbage, and castgate's own collections are 5 s
// apart.
//
// shortage: 100 clients are connected. Then the server may open only 20 more
// descriptors (prlimit), and 200 silent connections arrive, so that accept(2)
// fails with EMFILE for Options.Measure. After they have left, 10 more clients
// connect. The server's load in this time shows whether it spins on accept.
//
// flood: 500 unicasts per second to 25 clients that are connected to castgate
// with TLS. Meanwhile 32 others at a time connect and reset (connects), send a
// ClientHello and leave after the answer (hellos, where the server does all the
// work), or complete a handshake and leave (handshakes), as fast as they can.
// In production these would run elsewhere, so here they run with SCHED_IDLE, on the
// CPU time that server, caller and receivers leave. Connects alone show what TCP
// on the same cores costs everybody.
package bench
