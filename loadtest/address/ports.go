package address

import (
	"fmt"
	"os"
)

// PortsError means that the source addresses have too few ports for the
// requested connections.
type PortsError struct {
	Wanted int
	// Fits is how many connections there is room for.
	Fits int
	// First and Last are the ports that the kernel gives to connections.
	First, Last int
	// Sources and Targets are the number of addresses that connections come
	// from and go to.
	Sources, Targets int
}

// Error implements the error interface.
func (e *PortsError) Error() string {
	return fmt.Sprintf("%d connections do not fit: the ports %d to %d (net.ipv4.ip_local_port_range), %d source addresses and %d targets leave room for %d. "+
		"Use more source addresses (127.0.0.2-127.0.0.64), more URLs, or sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"",
		e.Wanted, e.First, e.Last, e.Sources, e.Targets, e.Fits)
}

// CheckPorts reports whether each of n connections to the targets in turn, from
// that many source addresses in turn (0: the kernel's choice), can have a port.
// Ports that others use are not considered.
func CheckPorts(n int, targets []Target, sources int) error {
	first, last, err := portRange()
	if err != nil {
		return nil // connecting will show it
	}
	return roomForPorts(n, targets, sources, first, last)
}

func roomForPorts(n int, targets []Target, sources, first, last int) error {
	share := map[string]int{} // by address: how many of len(targets) connections go there
	most := 0
	for _, t := range targets {
		share[t.Addr.String()]++
		most = max(most, share[t.Addr.String()])
	}
	sources = max(sources, 1)
	if fits := (last - first + 1) * sources * len(targets) / most; n > fits {
		return &PortsError{Wanted: n, Fits: fits, First: first, Last: last, Sources: sources, Targets: len(share)}
	}
	return nil
}

// SearchesPorts reports whether the kernel will take long to find free ports:
// it prefers every second port, and once those are used up it examines all of
// them for each connection.
func SearchesPorts(n int, targets []Target, sources int) bool {
	first, last, err := portRange()
	return err == nil && roomForPorts(n, targets, sources, first, first+(last-first)/2) != nil
}

// portRange is net.ipv4.ip_local_port_range, which also applies to IPv6.
func portRange() (first, last int, err error) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(string(b), &first, &last); err != nil || last < first {
		return 0, 0, fmt.Errorf("net.ipv4.ip_local_port_range: %q: %w", b, err)
	}
	return first, last, nil
}
