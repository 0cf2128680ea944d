package address

import (
	"errors"
	"net/netip"
	"testing"

	"castgate/loadtest/internal/errtest"
)

func TestRoomForPorts(t *testing.T) {
	to := func(addrs ...string) (all []Target) {
		for _, a := range addrs {
			all = append(all, Target{Addr: netip.MustParseAddrPort(a)})
		}
		return all
	}
	one, two, same := to("127.0.0.1:80"), to("127.0.0.1:80", "127.0.0.1:81"), to("127.0.0.1:80", "127.0.0.1:80")
	for name, c := range map[string]struct {
		targets []Target
		sources int
		fits    int
	}{
		"the kernel's choice":  {one, 0, 100},
		"one source":           {one, 1, 100},
		"three sources":        {one, 3, 300},
		"two targets":          {two, 0, 200},
		"two of both":          {two, 2, 400},
		"one target, two URLs": {same, 1, 100},
		"two thirds to one":    {append(same, two[1]), 1, 150},
	} {
		t.Run(name, func(t *testing.T) {
			if err := roomForPorts(c.fits, c.targets, c.sources, 1000, 1099); err != nil {
				t.Errorf("%d do not fit: %v", c.fits, err)
			}
			err := roomForPorts(c.fits+1, c.targets, c.sources, 1000, 1099)
			var ports *PortsError
			if !errors.As(err, &ports) || ports.Fits != c.fits || ports.Wanted != c.fits+1 || ports.First != 1000 || ports.Last != 1099 {
				t.Errorf("%v, want room for %d", err, c.fits)
			}
			errtest.Contains(t, err, "leave room for", "ip_local_port_range", "source addresses")
		})
	}
}

func TestPortRange(t *testing.T) {
	first, last, err := portRange()
	if err != nil || first < 1 || last < first || last > 65535 {
		t.Errorf("%d to %d, %v", first, last, err)
	}
}

func TestSearchesPorts(t *testing.T) {
	first, last, err := portRange()
	if err != nil {
		t.Fatal(err)
	}
	half := (last - first + 2) / 2
	one := []Target{{Addr: netip.MustParseAddrPort("127.0.0.1:80")}}
	if SearchesPorts(half, one, 1) || !SearchesPorts(half+1, one, 0) || SearchesPorts(half+1, one, 2) {
		t.Errorf("half of the ports are %d", half)
	}
}
