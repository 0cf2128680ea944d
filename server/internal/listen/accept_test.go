package listen

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Accept returns a socket that does not block, and its peer's address, with IPv4 never in
// its IPv6 form.
func TestAccept(t *testing.T) {
	for network, address := range map[string]string{
		"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": "[::]:0", "unix": filepath.Join(t.TempDir(), "socket"),
	} {
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		file, err := ln.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		listener := int(file.Fd())
		if err := unix.SetNonblock(listener, true); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Accept(listener); err != unix.EAGAIN {
			t.Errorf("%s: %v without a peer", network, err)
		}
		to := ln.Addr().String()
		if network == "tcp" {
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(ln.Addr().(*net.TCPAddr).Port)).String()
		}
		peer, err := net.Dial(network, to)
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		fd, from, err := Accept(listener)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		want := "[::]:0"
		if network != "unix" {
			want = peer.LocalAddr().String()
		}
		if from.String() != want {
			t.Errorf("%s: the peer is %v, want %s", network, from, want)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: flags %#x, %v: the socket blocks", network, flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v: programs inherit the socket", network, flags, err)
		}
	}
}
