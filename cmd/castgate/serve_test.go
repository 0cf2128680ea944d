package main

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/server/setting"
)

func TestListeners(t *testing.T) {
	addr := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv6zero, Port: port} }
	got := listeners([]string{":0", "wss://:7443", "text://:0"}, []net.Addr{addr(7272), addr(7443), addr(7274)})
	if want := "ws://[::]:7272,wss://[::]:7443,text://[::]:7274"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A wrong setting ends the start with 2 and the origin of its value. An error
// that only looks like one, such as the name of a system call, ends it with 1.
func TestStartError(t *testing.T) {
	src := &knob.Sources{From: map[string]string{"listen": "castgate.toml:3", "loops": "--loops"}, Names: []string{"listen", "loops"}}
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{setting.Errorf("listen", "no port"), process.ExitUsage, "--listen: no port (castgate.toml:3)"},
		{fmt.Errorf("new: %w", setting.Errorf("loops", "none")), process.ExitUsage, "--loops: none"},
		{setting.Errorf("node", "none"), process.ExitUsage, "--node: none"},
		{errors.New("listen: address in use"), process.ExitFailed, "listen: address in use"},
	} {
		err := startError(tt.err, src)
		e, ok := errors.AsType[*process.Exit](err)
		if !ok || e.Code != tt.code || err.Error() != tt.want {
			t.Errorf("%v became %+v", tt.err, err)
		}
	}
}
