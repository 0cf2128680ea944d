// Package million holds a million connections in one castgate process: each
// bound to a uid of its own and in one of many groups, pushed to in every way,
// every message counted, then all cut off at once; and says what the process
// weighed at each step.
//
// The swarm runs in as many processes of its own as the limit of open files
// makes necessary. They are told what to do over their standard input and
// output (net/rpc with its JSON codec), one swarm a process; the pushes are
// made and numbered by the one that started them.
package million
