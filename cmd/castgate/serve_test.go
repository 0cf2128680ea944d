package main

import (
	"net"
	"testing"
)

func TestListeners(t *testing.T) {
	addr := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv6zero, Port: port} }
	got := listeners([]string{":0", "wss://:7443", "text://:0"}, []net.Addr{addr(7272), addr(7443), addr(7274)})
	if want := "ws://[::]:7272,wss://[::]:7443,text://[::]:7274"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
