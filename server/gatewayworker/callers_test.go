package gatewayworker

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// sockets returns the states of this host's TCP sockets that connect two ports, as
// in /proc/net/tcp: 01 established, 06 TIME_WAIT.
func sockets(t *testing.T, from, to uint16) (states []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", from)) && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", to)) {
			states = append(states, f[3])
		}
	}
	return states
}

// A host has 28,000 ports for connections to one address, and a TIME_WAIT occupies
// one of them for 60 seconds.
func TestCommandLeavesNoTimeWait(t *testing.T) {
	r := startRig(t, nil)
	client := r.client()
	for i := range 20 {
		c := r.dial()
		if _, err := c.Write(frame(wire.SendToOne, 1, "", "on")); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 { // it ends after its command has been executed
			client.expect("a message", "8102"+hex.EncodeToString([]byte("on")))
		}
		_ = c.Close()
		if i%2 == 0 {
			client.expect("a message", "8102"+hex.EncodeToString([]byte("on")))
		}
		port, to := addrPort(c.LocalAddr()), addrPort(c.RemoteAddr())
		r.await("nothing is left of the connection", func() bool { return len(sockets(t, port, to)) == 0 })
	}
}

// A caller that ends only its own side gets all its replies, and a FIN.
func TestRepliesEndInOrder(t *testing.T) {
	r := startRig(t, nil)
	r.client()
	const queries = 4_000
	c := r.dial().(*net.TCPConn)
	go func() {
		for range queries / 100 {
			_, _ = c.Write([]byte(strings.Repeat(string(frame(wire.AllSessions, 0, "", "")), 100)))
		}
		_ = c.CloseWrite()
	}()
	one := len(r.ask(frame(wire.AllSessions, 0, "", ""))) + 4
	got, err := io.Copy(io.Discard, c)
	if err != nil || got != int64(queries*one) {
		t.Errorf("%d bytes of replies and %v, want %d and a FIN", got, err, queries*one)
	}
}

// A connection that the gateway closes ends with a FIN.
func TestRefusalsEndInOrder(t *testing.T) {
	r := startRig(t, func(c *Config, _ *server.Config) { c.Secret = "secret" })
	c := r.dial()
	if _, err := c.Write(frame(wire.SendToOne, 1, "", "on")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes and %v, want a FIN", n, err)
	}
}
