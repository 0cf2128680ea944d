package loadtest

import (
	"fmt"
	"os"
)

// PortsError says that the source addresses have too few ports for the
// connections asked for.
type PortsError struct {
	Wanted int
	// Fits is how many connections there is room for.
	Fits int
	// First and Last are the ports that the kernel gives to connections.
	First, Last int
	// Sources and Targets are how many addresses connections come from and go
	// to.
	Sources, Targets int
}

// Error implements the error interface.
func (e *PortsError) Error() string {
	return fmt.Sprintf("%d connections do not fit: the ports %d to %d (net.ipv4.ip_local_port_range), %d source addresses and %d targets leave room for %d. "+
		"Use more source addresses (127.0.0.2-127.0.0.64), more URLs, or sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"",
		e.Wanted, e.First, e.Last, e.Sources, e.Targets, e.Fits)
}

// checkPorts tells whether n connections to the targets in turn, each from
// sources addresses in turn (0: the kernel's choice), can have a port each.
// Ports that others use are not counted.
func checkPorts(n int, targets []target, sources int) error {
	first, last, err := portRange()
	if err != nil {
		return nil // connecting will tell
	}
	return roomForPorts(n, targets, sources, first, last)
}

func roomForPorts(n int, targets []target, sources, first, last int) error {
	share := map[string]int{} // by address: how many of len(targets) connections go there
	most := 0
	for _, t := range targets {
		share[t.addr.String()]++
		most = max(most, share[t.addr.String()])
	}
	sources = max(sources, 1)
	if fits := (last - first + 1) * sources * len(targets) / most; n > fits {
		return &PortsError{Wanted: n, Fits: fits, First: first, Last: last, Sources: sources, Targets: len(share)}
	}
	return nil
}

// searchesPorts tells whether the kernel has to search long for free ports: it
// takes every second one first, and once those are gone it looks at all of them
// for each connection.
func searchesPorts(n int, targets []target, sources int) bool {
	first, last, err := portRange()
	return err == nil && roomForPorts(n, targets, sources, first, first+(last-first)/2) != nil
}

// portRange is what net.ipv4.ip_local_port_range says, which IPv6 shares.
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
