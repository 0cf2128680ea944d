package server

import "time"

// OnMessage says what a message from a client does.
type OnMessage string

// The values of Config.OnMessage.
const (
	OnMessageIgnore OnMessage = "ignore" // count it
	OnMessageEcho   OnMessage = "echo"   // send it back, for conformance tests
	OnMessageClose  OnMessage = "close"  // close with 1008
	// OnMessageForward passes it to Watchers.
	OnMessageForward OnMessage = "forward"
)

// SlowPolicy says what happens to a client at its SendQueue limit.
type SlowPolicy string

// The values of Config.SlowPolicy.
const (
	SlowClose SlowPolicy = "close" // close with 1008 "slow consumer"
	SlowDrop  SlowPolicy = "drop"  // drop the newest frame and count it
)

// Capacity holds the fields of Config that SetCapacity can change while the
// server runs. A change closes nobody: clients above a lower MaxConns stay, frames
// and pushes that wait beyond a lower queue are written, the next one is judged.
// HandshakeTimeout and UnboundTimeout are for those who connect from then on, and
// an UnboundTimeout of 0 for all; pings take up their times at a client's next
// deadline, within two minutes, and a client has all of PingTimeout from the ping
// that it gets. MaxMessage is for the next bytes of every client, also of a
// message under way; what rates of bytes let pass at once grows with it.
// MaxHandshake is for the next bytes of every request, also of one under way.
type Capacity struct {
	MaxConns         int
	MaxMessage       int
	MaxHandshake     int
	SendQueue        int
	SlowPolicy       SlowPolicy
	PushQueue        int
	HandshakeTimeout time.Duration
	UnboundTimeout   time.Duration
	PingInterval     time.Duration
	PingTimeout      time.Duration
}
