package listen

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept accepts a socket that does not block, from a listener that does not block. It
// returns the peer's address; [::]:0 for a peer without an IP address. Unlike the wrapper
// of golang.org/x/sys it does not ask the kernel for the socket's protocol, and it
// bypasses Go's scheduler, whose bookkeeping is for calls that may block.
func Accept(fd int) (int, netip.AddrPort, error) {
	var from unix.RawSockaddrInet6
	length := uint32(unix.SizeofSockaddrInet6)
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from)),
		uintptr(unsafe.Pointer(&length)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(n), addrOf(&from), nil
}

// addrOf converts an address from the kernel.
func addrOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), port)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}
