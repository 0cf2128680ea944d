package gatewayworker

import (
	"encoding/hex"
	"fmt"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// More connections than MaxSilent arrive with a command while the loop is busy. A
// connection whose bytes are not read yet does not count as silent, and every
// command is executed. Nor is a connection closed that has just arrived and is
// about to send something.
func TestFloodIsNotLost(t *testing.T) {
	const commands = 200
	r := startRig(t, func(c *Config, _ *server.Config) { c.MaxSilent, c.MaxConns = 8, 12 })
	client := r.client()
	r.await("the client is there", func() bool { return r.server.Ready() })
	busy, release := make(chan struct{}), make(chan struct{})
	r.front.loop.tasks <- func(*innerLoop) { close(busy); <-release }
	r.front.loop.bell.Ring()
	<-busy
	slow := r.dial()
	want := ""
	for i := range commands {
		text := fmt.Sprintf("%03d", i)
		r.tell(frame(wire.SendToOne, 1, "", text))
		want += "8103" + hex.EncodeToString([]byte(text))
	}
	close(release)
	client.expect("all commands, in order", want)
	if _, err := slow.Write(frame(wire.IsOnline, 1, "", "")); err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, slow); got != "i:1;" {
		t.Errorf("the slow one was answered %q", got)
	}
	if n := r.front.count.closes[closeFull].Load(); n != 0 {
		t.Errorf("%d connections were closed for want of room", n)
	}
}
