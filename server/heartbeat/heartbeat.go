// Package heartbeat is GatewayWorker's way to find clients that are gone
// (docs/gatewayworker-protocol.md section 7.3), in addition to the pings of RFC 6455. It is an
// ordinary message, which an application of the client answers by sending any message. Pings
// and pongs do not count.
//
// A [Clock] says when a heartbeat is due, and what it does to a client. The event loop, whose
// ticks it counts, visits the clients.
package heartbeat

import (
	"time"

	"castgate/server/setting"
)

// Settings are those of GatewayWorker. The zero value is off.
//
// A clock ticks every Interval/2, or every Interval if Limit is 0, for all clients of an
// event loop at the same time. At the first tick after a client has connected or sent a
// message nothing happens. With a Limit, it is sent Data at the third tick, the fifth and
// so on, and its connection is broken at tick 2*Limit+2, which is between
// (Limit+½)*Interval and (Limit+1)*Interval later. With Limit 0 it is sent Data at every
// tick from the second one on, and is never broken.
type Settings struct {
	// Interval is 0, off, or 500ms to 24h.
	Interval time.Duration
	// Limit is how many times Data may go unanswered, 0 to 1000; 0 is any number.
	Limit int
	// Data is the message; "" and, as in PHP, "0" send none.
	Data string
}

// Bounds of Settings.
const (
	minInterval = 500 * time.Millisecond
	maxInterval = 24 * time.Hour
	maxLimit    = 1000
	maxData     = 1024
)

// Validate reports the first setting that is out of its range or has no effect, by its
// name on the command line.
func (s *Settings) Validate() error {
	const interval, limit, data = "gatewayworker-ping-interval", "gatewayworker-ping-limit", "gatewayworker-ping-data"
	switch {
	case s.Interval != 0 && (s.Interval < minInterval || s.Interval > maxInterval):
		return setting.Errorf(interval, "%v is not between %v and %v", s.Interval, minInterval, maxInterval)
	case s.Limit < 0 || s.Limit > maxLimit:
		return setting.Errorf(limit, "%d is not between 0 and %d", s.Limit, maxLimit)
	case len(s.Data) > maxData:
		return setting.Errorf(data, "%d bytes are more than %d", len(s.Data), maxData)
	case s.Interval == 0 && s.Limit != 0:
		return setting.Errorf(limit, "has no effect without %s", interval)
	case s.Interval == 0 && s.Data != "":
		return setting.Errorf(data, "has no effect without %s", interval)
	case s.Interval != 0 && s.Limit == 0 && s.Data == "":
		return setting.Errorf(interval, "has no effect without %s or %s", limit, data)
	}
	return nil
}

// Message is what clients are sent; "" is nothing.
func (s *Settings) Message() string {
	if s.Data == "0" {
		return ""
	}
	return s.Data
}

// Clock is the clock of one event loop's clients. It belongs to the loop's goroutine. The zero
// value never ticks.
type Clock struct {
	every uint32 // ticks of the loop; 0 is off
	limit uint32
	sends bool
	next  uint32 // tick of the loop at which it ticks
	count uint32 // times it has ticked
}

// NewClock returns the clock of a loop whose own ticks are so long, from its tick 0 on.
func NewClock(s Settings, tick time.Duration) Clock {
	every := s.Interval
	if s.Limit > 0 {
		every /= 2
	}
	k := Clock{every: uint32((every + tick - 1) / tick), limit: uint32(s.Limit), sends: s.Message() != ""}
	k.next = k.every
	return k
}

// Tick reports whether the clock ticks, at a tick of the loop. Ticks that are missed are left
// out.
func (k *Clock) Tick(now uint32) bool {
	if k.every == 0 || before(now, k.next) {
		return false
	}
	if k.next += k.every; !before(now, k.next) {
		k.next = now + k.every
	}
	k.count++
	return true
}

// before compares ticks, which may overflow.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// Count is how many times the clock has ticked. It is what a loop notes of a client
// that has connected or sent a message.
func (k *Clock) Count() uint32 { return k.count }

// Action is what a tick does to a client.
type Action uint8

// The actions.
const (
	None  Action = iota
	Send         // the message
	Break        // the connection
)

// Due is what the tick does to a client for which the loop noted Count at its last message.
// PHP's counter of a client is -1 after a message and grows with each tick.
func (k *Clock) Due(noted uint32) Action {
	n := int64(k.count-noted) - 2 // PHP's counter before this tick
	switch {
	case k.limit > 0 && n >= 2*int64(k.limit):
		return Break
	case !k.sends || n < 0 || k.limit > 0 && (n+1)%2 == 1:
		return None
	}
	return Send
}
