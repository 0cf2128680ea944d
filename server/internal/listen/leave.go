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

// Settle is for how long a listener that has turned deaf is still accepted
// from. A peer whose SYN was answered counts itself as connected, and waits in
// the queue only when its own ACK has come: a round trip later.
const Settle = 250 * time.Millisecond

// Deafen makes a listening TCP socket of our own drop new SYNs, so that its
// queue can be emptied before it is closed: closing resets who waits in the queue, or is
// about to get there. A peer whose SYN is dropped sends it again after a
// second, to whoever listens then. The queue itself, and ACKs of peers whose SYN came before, are
// not touched. Never to be used on a socket that was passed: it outlives us.
//
// The filter (SO_ATTACH_FILTER) sees a segment from its TCP header on; byte 13
// has the flags (RFC 9293 section 3.1).
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

// Shared tells whether a second socket listens on an IPv4 address and port, with
// SO_REUSEPORT beside ours. It is false where /proc does not say.
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
	lines.Scan() // names of the columns
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != "0A" { // those that listen come first
			break
		}
		if fields[1] == want {
			n++
		}
	}
	return n > 1
}
