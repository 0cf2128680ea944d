package kernel

import "time"

// Tick is the resolution of every timeout of a client. After each wake-up of an idle
// process the Go runtime looks closely for some milliseconds, which costs more than what
// is done at a tick: 0.7 ms of CPU time.
const Tick = 250 * time.Millisecond

// TicksPerSecond is how many of them there are in a second.
const TicksPerSecond = int64(time.Second / Tick)
