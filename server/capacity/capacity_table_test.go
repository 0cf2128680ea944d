package capacity

import (
	"reflect"
	"strings"
	"testing"

	"castgate/codec"
	"castgate/server/internal/table"
)

// Every limit has a row in the table: the bounds of each are held, and the values without
// settings are within them.
func TestTableOfLimits(t *testing.T) {
	c := DefaultCapacity()
	if err := c.Validate(); err != nil {
		t.Errorf("the values without settings: %v", err)
	}
	if rows, fields := len(rows)+1, reflect.TypeFor[Capacity]().NumField(); rows != fields { // and slow-policy
		t.Errorf("%d rows for %d limits", rows, fields)
	}
	for name, bad := range map[string][]func(*Capacity){
		"max-conns":         {func(c *Capacity) { c.MaxConns = -1 }, func(c *Capacity) { c.MaxConns = table.MaxSlots*table.MaxLoops + 1 }},
		"max-message":       {func(c *Capacity) { c.MaxMessage = 0 }, func(c *Capacity) { c.MaxMessage = MaxMessageSize + 1 }},
		"max-handshake":     {func(c *Capacity) { c.MaxHandshake = codec.MinHandshake - 1 }, func(c *Capacity) { c.MaxHandshake = codec.MaxHandshake + 1 }},
		"send-queue":        {func(c *Capacity) { c.SendQueue = 0 }, func(c *Capacity) { c.SendQueue = MaxQueueSize + 1 }},
		"push-queue":        {func(c *Capacity) { c.PushQueue = 0 }, func(c *Capacity) { c.PushQueue = MaxQueueSize + 1 }},
		"handshake-timeout": {func(c *Capacity) { c.HandshakeTimeout = 0 }, func(c *Capacity) { c.HandshakeTimeout = MaxTimeout + 1 }},
		"unbound-timeout":   {func(c *Capacity) { c.UnboundTimeout = MinTimeout - 1 }, func(c *Capacity) { c.UnboundTimeout = MaxTimeout + 1 }},
		"ping-interval":     {func(c *Capacity) { c.PingInterval = 1 }, func(c *Capacity) { c.PingInterval = -1 }},
		"ping-timeout":      {func(c *Capacity) { c.PingTimeout = 0 }, func(c *Capacity) { c.PingTimeout = MaxTimeout + 1 }},
		"tcp-keepalive":     {func(c *Capacity) { c.TCPKeepalive = 1 }, func(c *Capacity) { c.TCPKeepalive = MaxTimeout + 1 }},
		"slow-policy":       {func(c *Capacity) { c.SlowPolicy = "" }},
	} {
		for _, change := range bad {
			c := DefaultCapacity()
			change(&c)
			if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
				t.Errorf("%s: %+v: %v", name, c, err)
			}
		}
	}
	off := DefaultCapacity()
	off.PingInterval, off.UnboundTimeout, off.MaxConns = 0, 0, 0
	if err := off.Validate(); err != nil {
		t.Errorf("what may be off: %v", err)
	}
}
