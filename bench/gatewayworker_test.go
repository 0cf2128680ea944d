package bench

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"castgate/codec/gatewayworker"
	"castgate/loadtest/payload"
)

// A frame built here is valid for castgate's codec.
func TestInnerFrame(t *testing.T) {
	for _, tt := range []struct{ ext, body string }{{"", ""}, {`["u"]`, "hello"}, {"x", string(make([]byte, 70_000))}} {
		b := appendInner([]byte("before"), cmdSendToUID, []byte(tt.ext), []byte(tt.body))[len("before"):]
		f, n, err := gatewayworker.ParseFrame(b)
		if err != nil || n != len(b) || f.Command != cmdSendToUID || string(f.Ext) != tt.ext || string(f.Body) != tt.body {
			t.Errorf("%d bytes of %d: %+v, %v", n, len(b), f.Header, err)
		}
		if again := gatewayworker.AppendFrame(nil, &f.Header, f.Ext, f.Body); !bytes.Equal(again, b) {
			t.Errorf("% x, the codec has % x", b[:innerHeader], again[:innerHeader])
		}
	}
}

// Each command has a connection of its own, which is closed after it.
func TestInnerCaller(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := newInnerCaller(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if err := c.call(cmdSendToAll, nil, []byte(text)); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.Equal(got, appendInner(nil, cmdSendToAll, nil, []byte(text))) {
			t.Errorf("%q, %v", got, err)
		}
	}
	l.Close()
	if err := c.call(cmdSendToAll, nil, nil); err == nil {
		t.Error("a command to nobody was taken")
	}
	for _, address := range []string{"localhost:1", "[::1]:1", ""} {
		if _, err := newInnerCaller(address); err == nil {
			t.Errorf("%q was taken", address)
		}
	}
}

// Backends cycle through all targets together, and each keeps its own order.
func TestBackendTargets(t *testing.T) {
	seen := make(map[int]int)
	for number := range innerCallers {
		for k := range 1000 {
			seen[(number+k*innerCallers)%innerClients]++
		}
	}
	for target := range innerClients {
		if n := seen[target]; n != innerCallers*1000/innerClients {
			t.Fatalf("%d commands for target %d", n, target)
		}
	}
	for _, v := range verbs {
		if v.kind == payload.Broadcast && v.clients != everybody {
			t.Errorf("%+v", v)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(ctx, patience); err == nil {
		t.Error("a pause outlives its context")
	}
}

// A binding names the connection by the end of its client id.
func TestInnerBind(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := newInnerCaller(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.bind("7f0000010b54a3c21b07", "u"); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	f, n, err := gatewayworker.ParseFrame(got)
	if err != nil || n != len(got) || f.Command != gatewayworker.BindUID || f.ConnectionID != 0xa3c21b07 || string(f.Ext) != "u" {
		t.Errorf("%+v, %v", f, err)
	}
	if c.bind("7f", "u") == nil || c.connection != 0 {
		t.Error("a client id that is none was taken")
	}
}

// The ratio of two servers is that of their values with the same name.
func TestAddAgainst(t *testing.T) {
	var s samples
	s.add("x", "CPU", Castgate, "ns", 3)
	s.add("x", "CPU", PHP, "ns", 6)
	s.addAgainst("x", "CPU", Castgate, PHP)
	s.addAgainst("x", "rate", Castgate, PHP)
	if n := len(s); n != 3 || s[2].value != 0.5 || s[2].server != "castgate / php" {
		t.Errorf("%+v", s)
	}
}
