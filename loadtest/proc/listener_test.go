package proc

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestListenerOf(t *testing.T) {
	at := func(network, addr string) netip.AddrPort {
		l, err := net.Listen(network, addr)
		if err != nil {
			t.Skip(err) // no IPv6 here
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().(*net.TCPAddr).AddrPort()
	}
	to := func(host string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(host), port)
	}
	loopback, any4, any6 := at("tcp", "127.0.0.1:0"), at("tcp4", ":0"), at("tcp", "[::]:0")
	for name, targets := range map[string][]netip.AddrPort{
		"one address":  {loopback},
		"all of IPv4":  {to("127.0.0.1", any4.Port())},
		"all, by IPv4": {to("127.0.0.2", any6.Port())},
		"all, by IPv6": {to("::1", any6.Port())},
		"two of them":  {loopback, to("127.0.0.1", any4.Port())},
	} {
		if pid, why := Listener(targets...); pid != os.Getpid() || why != "" {
			t.Errorf("%s: %d, %q, want %d", name, pid, why, os.Getpid())
		}
	}
	for want, targets := range map[string][]netip.AddrPort{
		"192.0.2.1 is not on this host": {to("192.0.2.1", 80)},
		"nothing on this host listens":  {to("127.0.0.2", loopback.Port())},
		"nothing on this host":          {loopback, to("::1", any4.Port())},
	} {
		if pid, why := Listener(targets...); pid != 0 || !strings.Contains(why, want) {
			t.Errorf("%d, %q, want %q", pid, why, want)
		}
	}
}

// A socket that several processes listen on identifies no server.
func TestListenerIsShared(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	pid, why := Listener(l.Addr().(*net.TCPAddr).AddrPort())
	if pid != 0 || !strings.Contains(why, "all listen there") {
		t.Errorf("%d, %q", pid, why)
	}
}

func TestProcAddress(t *testing.T) {
	for _, bad := range []string{"", "0100007F", "0100007F:xyz", "01:0050", "0100007G:0050", "0100007F00:0050"} {
		if a, err := procAddress(bad); err == nil {
			t.Errorf("%q: %v", bad, a)
		}
	}
}
