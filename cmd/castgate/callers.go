package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"castgate/cmd/castgate/internal/keys"
)

// warnOfCallers warns of who can use the control API, and who cannot.
func (e *effective) warnOfCallers() {
	e.warnOfShortKeys()
	e.warnOfNoCallers()
}

// warnOfShortKeys warns of keys that can be guessed, if other hosts can try. A
// file that was cut within a line also leaves such a key.
func (e *effective) warnOfShortKeys() {
	c := &e.control
	short := 0
	for _, key := range c.Keys {
		if len(key) < keys.ShortLen {
			short++
		}
	}
	if short == 0 || isLocal(c.Listen) {
		return
	}
	have := "have"
	if short == 1 {
		have = "has"
	}
	e.warnings = append(e.warnings, fmt.Sprintf("control-key: %d of %d keys %s fewer than %d characters and can be guessed; castgate key new creates better ones",
		short, len(c.Keys), have, keys.ShortLen))
}

// loopbacks are the networks that callers of a loopback address come from.
var loopbacks = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// warnOfNoCallers warns if none of the allowed networks can reach the control
// port. It is only a warning, since closing the port may be intended.
func (e *effective) warnOfNoCallers() {
	c := &e.control
	if len(c.Allow) == 0 || !isLocal(c.Listen) || strings.HasPrefix(c.Listen, "unix:") {
		return
	}
	for _, allowed := range c.Allow {
		if slices.ContainsFunc(loopbacks, allowed.Overlaps) {
			return
		}
	}
	e.warnings = append(e.warnings, fmt.Sprintf("control-allow: no network contains a loopback address, but only this host reaches %s; every caller will be refused", c.Listen))
}

// isLocal reports whether only this host can reach a control address.
func isLocal(listen string) bool {
	if strings.HasPrefix(listen, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(listen)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
