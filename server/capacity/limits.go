// Package capacity is the limits that can change while the server runs.
package capacity

import (
	"time"

	"castgate/codec"
	"castgate/server/internal/table"
	"castgate/server/setting"
)

// Capacity is the limits that SetCapacity can change while the server runs. A change closes
// nobody: clients above a lower MaxConns stay, and frames and pushes that wait beyond a lower
// queue are written; only the next one is refused.
type Capacity struct {
	// MaxConns is how many client sockets are served at once, 1 to 16 Mi per
	//  0 derives it from the open-file limit, less a reserve.
	MaxConns int
	// MaxMessage is the largest client message in bytes; a larger one closes the client
	// with 1009. A change is for the next bytes of every client, also of a message under
	// way; the burst of Policy.ByteRate grows with it.
	MaxMessage int
	// MaxHandshake is the longest request head in bytes, 1 to 64 KiB; a longer one is
	// answered 431. What a client sends behind its head does not count. A change is for the
	// next bytes of every request, also of one under way.
	MaxHandshake int
	// SendQueue is how many bytes may wait for one client. It is looked at
	// before a frame is queued, so one large frame to an idle client passes.
	SendQueue int
	// SlowPolicy is what happens at SendQueue.
	SlowPolicy SlowPolicy
	// PushQueue is how many bytes of frames may wait for one event loop to
	// take them up; above it Push returns CodeBusy.
	PushQueue int
	// HandshakeTimeout is the time from accept to a finished handshake. A change is for
	// clients that connect from then on.
	HandshakeTimeout time.Duration
	// UnboundTimeout closes clients nobody has bound to a uid; 0 is off. A change is for
	// clients that connect from then on, a change to 0 for all.
	UnboundTimeout time.Duration
	// PingInterval is the silence after which a client is pinged; it is gone
	// when PingTimeout more passes in silence, unless it still takes what it is
	// sent: then when it takes nothing for as long as both. 0 turns pings off. A change is
	// taken up at a client's next deadline, within two minutes, and a client has all of
	// PingTimeout from the ping that it gets.
	PingInterval, PingTimeout time.Duration
	// TCPKeepalive is the silence after which the kernel probes a client that gets no
	// pings; it is gone when PingTimeout more passes without an answer. 0 probes after
	// PingInterval, or after IdleProbe where that is 0. A change is for clients that
	// connect from then on.
	TCPKeepalive time.Duration
}

// SlowPolicy says what happens to a client at its SendQueue limit.
type SlowPolicy string

// The values of Config.SlowPolicy.
const (
	SlowClose SlowPolicy = "close" // close with 1008 "slow consumer"
	SlowDrop  SlowPolicy = "drop"  // drop the newest frame and count it
)

// Bounds of settings.
const (
	MaxMessageSize = 1 << 30
	MaxQueueSize   = 1 << 30
	MinTimeout     = 100 * time.Millisecond
	MaxTimeout     = 24 * time.Hour
)

// rows is the table of Capacity: the names of its settings, their values without a setting
// and their bounds. Validate and DefaultCapacity are derived from it, and so is what the
// command line, a reload and config check do with these settings. The bound of
// max-conns depends on the number of loops; see server.Config.
var rows = [...]limit{
	number("max-conns", 0, table.MaxSlots*table.MaxLoops, 0, func(c *Capacity) *int { return &c.MaxConns }),
	number("max-message", 1, MaxMessageSize, 64<<10, func(c *Capacity) *int { return &c.MaxMessage }),
	number("max-handshake", codec.MinHandshake, codec.MaxHandshake, codec.DefaultHandshake, func(c *Capacity) *int { return &c.MaxHandshake }),
	number("send-queue", 1, MaxQueueSize, 256<<10, func(c *Capacity) *int { return &c.SendQueue }),
	number("push-queue", 1, MaxQueueSize, 64<<20, func(c *Capacity) *int { return &c.PushQueue }),
	period("handshake-timeout", false, 10*time.Second, func(c *Capacity) *time.Duration { return &c.HandshakeTimeout }),
	period("unbound-timeout", true, 0, func(c *Capacity) *time.Duration { return &c.UnboundTimeout }),
	period("ping-interval", true, 25*time.Second, func(c *Capacity) *time.Duration { return &c.PingInterval }),
	period("ping-timeout", false, 10*time.Second, func(c *Capacity) *time.Duration { return &c.PingTimeout }),
	period("tcp-keepalive", true, 0, func(c *Capacity) *time.Duration { return &c.TCPKeepalive }),
}

// limit is one of the rows.
type limit struct {
	name  string
	check func(*Capacity) error
	reset func(*Capacity) // to the value without a setting
}

// number is a setting that is a number.
func number(name string, least, most, standard int, of func(*Capacity) *int) limit {
	return limit{name, func(c *Capacity) error { return InRange(name, *of(c), least, most) }, func(c *Capacity) { *of(c) = standard }}
}

// period is a setting that is a duration; off says whether 0 is one, too.
func period(name string, off bool, standard time.Duration, of func(*Capacity) *time.Duration) limit {
	return limit{name, func(c *Capacity) error {
		if d := *of(c); d != 0 || !off {
			return InRange(name, d, MinTimeout, MaxTimeout)
		}
		return nil
	}, func(c *Capacity) { *of(c) = standard }}
}

// InRange is the error of a setting that is out of its range.
func InRange[T int | time.Duration](name string, value, least, most T) error {
	if value < least || value > most {
		return setting.Errorf(name, "%v is not between %v and %v", value, least, most)
	}
	return nil
}

// DefaultCapacity are the limits of a gateway without settings.
func DefaultCapacity() Capacity {
	c := Capacity{SlowPolicy: SlowClose}
	for _, l := range rows {
		l.reset(&c)
	}
	return c
}

// Validate reports the first limit that is out of its range, by its name on the command line.
func (c *Capacity) Validate() error {
	for _, l := range rows {
		if err := l.check(c); err != nil {
			return err
		}
	}
	if c.SlowPolicy != SlowClose && c.SlowPolicy != SlowDrop {
		return setting.Errorf("slow-policy", "%q is neither close nor drop", c.SlowPolicy)
	}
	return nil
}
