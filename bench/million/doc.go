// Package million holds a million connections in one castgate process: each
// bound to a uid of its own and in one of many groups. It pushes to them in
// every way, counts every message, resets them all at once, and reports what
// the process used at each step.
//
// The swarm runs in as many processes as the open-file limit requires. They are
// controlled over their standard input and output (net/rpc with its JSON
// codec), one swarm per process; the parent process makes and numbers the
// pushes.
package million
