package wstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
)

// Ports below the kernel's range for outgoing connections (32768 and up by
// default). The thousands of sockets that tests dial cannot take them between
// FreePort and the moment when the program listens.
const (
	firstPort = 10_000
	portRange = 20_000
)

// portStep has no factor in common with portRange, so that steps of it reach every port
// before one comes again.
const portStep = 7919

// lastPort is the port that was tried last, beyond firstPort and modulo portRange.
var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32N(portRange)) }

// FreePort returns a TCP port of 127.0.0.1 on which nobody listens now. It returns none
// twice before it has tried all others. Another process may take it first, so the caller
// should retry. Any goroutine.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := firstPort + int(lastPort.Add(portStep)%portRange)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			ln.Close()
			return port
		}
	}
	t.Fatal("no free port after 200 tries")
	return 0
}

// FreeAddr is FreePort as host:port.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("127.0.0.1:%d", FreePort(t))
}
