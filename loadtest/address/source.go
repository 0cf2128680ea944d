package address

import (
	"fmt"
	"net/netip"
	"strings"
)

// maxSources limits a list of source addresses.
const maxSources = 1 << 16

// ParseSources parses a list of addresses and ranges, such as
// "127.0.0.2-127.0.0.64,127.0.1.1". Connections use them in turn, so that there
// can be more connections than one address has ports. An empty list is nil: the
// kernel chooses.
func ParseSources(list string) ([]netip.Addr, error) {
	var all []netip.Addr
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, ranged := strings.Cut(strings.TrimSpace(part), "-")
		from, err := netip.ParseAddr(strings.TrimSpace(first))
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", part, err)
		}
		to := from
		if ranged {
			if to, err = netip.ParseAddr(strings.TrimSpace(last)); err != nil {
				return nil, fmt.Errorf("source %q: %w", part, err)
			}
		}
		if from.Is4() != to.Is4() || to.Less(from) {
			return nil, fmt.Errorf("source %q: the range ends before it begins", part)
		}
		for a := from; ; a = a.Next() {
			if len(all) == maxSources {
				return nil, fmt.Errorf("source %q: more than %d addresses", list, maxSources)
			}
			all = append(all, a.Unmap())
			if a == to {
				break
			}
		}
	}
	return all, nil
}
