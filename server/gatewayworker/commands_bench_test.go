package gatewayworker

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "castgate/codec/gatewayworker"
	"castgate/server"
)

// BenchmarkCommands sends to a uid as GatewayClient does, each command on a
// connection of its own, from 64 callers at once. It ends when the client has every
// message, and fails if one is lost.
func BenchmarkCommands(b *testing.B) {
	r := startRig(b, func(_ *Config, sc *server.Config) { sc.SendQueue = 1 << 30 })
	c := r.client()
	r.tell(frame(wire.BindUID, 1, "7", ""))
	for r.ask(frame(wire.ClientsOfUID, 0, "7", "")) != "a:1:{i:0;i:1;}" {
		time.Sleep(time.Millisecond)
	}
	command := frame(wire.SendToUID, 0, `[7]`, "hello")
	address := r.front.Inner().String()
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			for left.Add(-1) >= 0 {
				conn, err := net.Dial("tcp", address)
				if err != nil {
					b.Error(err)
					return
				}
				if _, err := conn.Write(command); err != nil {
					b.Error(err)
				}
				_ = conn.Close()
			}
		})
	}
	callers.Wait()
	r.await("every message has come", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.got) >= b.N*7
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}

// BenchmarkPipelined sends the same commands on one connection, as a worker does.
func BenchmarkPipelined(b *testing.B) {
	r := startRig(b, func(_ *Config, sc *server.Config) { sc.SendQueue = 1 << 30 })
	r.client()
	conn := r.dial()
	_ = conn.SetDeadline(time.Time{})
	command := frame(wire.UnbindUID, 1, "", "")
	if binary.BigEndian.Uint32(command) != uint32(len(command)) {
		b.Fatal("not one frame")
	}
	var batch []byte
	for range 1000 {
		batch = append(batch, command...)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for n := b.N; n > 0; n -= 1000 {
		if _, err := conn.Write(batch[:min(n, 1000)*len(command)]); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := conn.Write(frame(wire.IsOnline, 0, "", "")); err != nil {
		b.Fatal(err)
	}
	readReply(b, conn)
}
