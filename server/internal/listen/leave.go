package listen

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Settle is how long to go on accepting after Deafen. A peer whose SYN was answered
// considers itself connected, but enters the queue only when its ACK has arrived, a
// round trip later.
const Settle = 250 * time.Millisecond

// Deafen makes a listening TCP socket drop new SYNs, so that its queue can be
// emptied before it is closed. Closing resets every connection in the queue, or
// about to enter it. A peer whose SYN is dropped retransmits it after a second, and
// reaches whoever listens then. Connections in the queue, and ACKs for earlier
// SYNs, are not affected. Never use it on a passed socket, which outlives this
// process.
//
// The filter (SO_ATTACH_FILTER) sees a segment from its TCP header on; byte 13
// holds the flags (RFC 9293 section 3.1).
func Deafen(fd int) error {
	const (
		flags    = 13
		syn, ack = 0x02, 0x10
	)
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: syn},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xFFFFFFFF},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// Shared reports whether another socket listens on an IPv4 address and port along
// with ours, by SO_REUSEPORT. It is false if /proc does not say.
func Shared(at netip.AddrPort) bool {
	if !at.Addr().Unmap().Is4() {
		return false
	}
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	ip := at.Addr().Unmap().As4()
	want := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
	n := 0
	lines := bufio.NewScanner(f)
	lines.Scan() // column names
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != "0A" { // listening sockets come first
			break
		}
		if fields[1] == want {
			n++
		}
	}
	return n > 1
}
