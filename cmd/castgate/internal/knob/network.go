package knob

import (
	"fmt"
	"net/netip"
)

// Networks parses addresses and networks: 192.0.2.7, 10.0.0.0/8, fd00::/8.
// Bits after the prefix are ignored with a warning. A network from which no
// connection can come is an error.
func Networks(items []string) (networks []netip.Prefix, warnings []string, err error) {
	seen := map[netip.Prefix]string{}
	for _, item := range Trimmed(items) {
		p, err := readNetwork(item)
		if err != nil {
			return nil, nil, err
		}
		if p != p.Masked() {
			warnings = append(warnings, fmt.Sprintf("%s is treated as %s", p, p.Masked()))
			p = p.Masked()
		}
		if before, twice := seen[p]; twice {
			return nil, nil, fmt.Errorf("%.60q and %.60q are the same network", before, item)
		}
		seen[p] = item
		networks = append(networks, p)
	}
	return networks, warnings, nil
}

func readNetwork(item string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(item)
	if err != nil {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(item); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
	}
	switch {
	case err != nil || !p.IsValid():
		return p, fmt.Errorf("%.60q is neither an address nor a network such as 10.0.0.0/8 or fd00::/8", item)
	case p.Addr().Is4In6() && p.Bits() >= 96:
		return p, fmt.Errorf("%.60q is a mapped IPv4 network; write %s", item, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96))
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%.60q is neither an address nor a network such as 10.0.0.0/8 or fd00::/8", item)
	case p.IsSingleIP() && p.Addr().IsUnspecified():
		return p, fmt.Errorf("%.60q is not an address that connections come from; write %s/0 for all", item, p.Addr())
	case p.Addr().IsMulticast() && (p.Addr().Is6() && p.Bits() >= 8 || p.Addr().Is4() && p.Bits() >= 4):
		return p, fmt.Errorf("%.60q is a multicast network; no connection comes from there", item)
	}
	return p, nil
}
