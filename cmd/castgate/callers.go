package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"castgate/cmd/castgate/internal/keys"
	"castgate/server/setting"
)

// checkCallers looks at who can use the control API, and who cannot. An error is a
// *setting.Error.
func (e *effective) checkCallers() error {
	if err := e.checkShortKeys(); err != nil {
		return err
	}
	e.warnOfNoCallers()
	return nil
}

// checkShortKeys refuses keys that can be guessed if other hosts can try them: no limit on
// wrong ones protects a short key, since a right one always gets in. Elsewhere it warns. A
// file that was cut within a line also leaves such a key.
func (e *effective) checkShortKeys() error {
	c := &e.control
	short := 0
	for _, key := range c.Keys {
		if len(key) < keys.ShortLen {
			short++
		}
	}
	if short == 0 {
		return nil
	}
	have := "have"
	if short == 1 {
		have = "has"
	}
	said := fmt.Sprintf("%d of %d keys %s fewer than %d characters and can be guessed", short, len(c.Keys), have, keys.ShortLen)
	const better = "castgate key new creates better ones"
	for _, l := range [][2]string{{"control", c.Listen}, {"admin", e.admin.Listen}} {
		if l[1] != "" && !isLocal(l[1]) {
			return setting.Errorf("control-key", "%s, and other hosts reach %s %s; %s", said, l[0], l[1], better)
		}
	}
	e.warnings = append(e.warnings, fmt.Sprintf("control-key: %s by every user of this host; %s", said, better))
	return nil
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
