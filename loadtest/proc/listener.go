package proc

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listener returns the process on this machine that listens at all these
// addresses, or 0 and why it is unknown.
func Listener(addrs ...netip.AddrPort) (pid int, why string) {
	inodes := map[string]bool{} // of the listening sockets
	for _, a := range addrs {
		here, err := isHere(a.Addr())
		switch {
		case err != nil:
			return 0, err.Error()
		case !here:
			return 0, fmt.Sprintf("%s is not on this host", a.Addr())
		}
		found, err := listening(a)
		if err != nil {
			return 0, err.Error()
		}
		if len(found) == 0 {
			return 0, fmt.Sprintf("nothing on this host listens on port %d", a.Port())
		}
		for _, inode := range found {
			inodes[inode] = true
		}
	}
	pids := holders(inodes)
	switch len(pids) {
	case 0:
		return 0, "no process that we may inspect has the listening socket; it may be another user's"
	case 1:
		return pids[0], ""
	}
	return 0, fmt.Sprintf("the processes %v all listen there", pids)
}

// isHere reports whether an address is one of this machine's.
func isHere(a netip.Addr) (bool, error) {
	if a.IsLoopback() {
		return true, nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(own, func(o net.Addr) bool {
		p, err := netip.ParsePrefix(o.String())
		return err == nil && p.Addr() == a
	}), nil
}

// listening lists the inodes of the sockets that accept connections to an
// address.
func listening(to netip.AddrPort) (inodes []string, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		found, err := listeningIn(file, to)
		if err != nil && !os.IsNotExist(err) { // no IPv6 on this host
			return nil, err
		}
		inodes = append(inodes, found...)
	}
	return inodes, nil
}

// listeningIn is listening for one of the kernel's tables.
func listeningIn(file string, to netip.AddrPort) (inodes []string, err error) {
	table, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer table.Close()
	lines := bufio.NewScanner(table)
	lines.Scan() // column names
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		words := strings.Fields(lines.Text())
		const listen = "0A"
		if len(words) < 10 || words[3] != listen {
			break // listening sockets come first; there may be a million others
		}
		at, err := procAddress(words[1])
		if err != nil || at.Port() != to.Port() {
			continue
		}
		if at.Addr() == to.Addr() || at.Addr().IsUnspecified() && (at.Addr().Is6() || to.Addr().Is4()) {
			inodes = append(inodes, words[9])
		}
	}
	return inodes, lines.Err()
}

// procAddress parses an address of /proc/net/tcp: hexadecimal, every 32 bits
// printed as a number in this machine's byte order.
func procAddress(text string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	b, err := hex.DecodeString(host)
	if err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	for word := range slices.Chunk(b, 4) {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}

// maxLook is how many descriptors of a process are examined, the lowest first:
// a server listens before it has clients, of which it may have a million.
const maxLook = 1024

// holders lists the processes that have one of these sockets open, as far as we
// may inspect them.
func holders(inodes map[string]bool) (pids []int) {
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, dir := range all {
		fds, err := lowest(dir + "/fd")
		if err != nil {
			continue // another user's, or ended
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if slices.ContainsFunc(fds, func(fd string) bool {
			link, err := os.Readlink(dir + "/fd/" + fd)
			inode, ok := strings.CutPrefix(link, "socket:[")
			return err == nil && ok && inodes[strings.TrimSuffix(inode, "]")]
		}) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// lowest lists the first descriptors in a directory of /proc, which is sorted.
func lowest(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(maxLook)
}
