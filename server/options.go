package server

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
