package main

import (
	"fmt"
	"net/netip"
)

// readNetworks reads addresses and networks: 192.0.2.7, 10.0.0.0/8, fd00::/8.
func readNetworks(items []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, item := range trimmed(items) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(item); err == nil && addr.Zone() == "" {
				addr = addr.Unmap()
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if err != nil || !p.IsValid() || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%.60q is neither an address nor a network such as 10.0.0.0/8 or fd00::/8", item)
		}
		networks = append(networks, p.Masked())
	}
	return networks, nil
}
