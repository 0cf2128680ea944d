package main

import (
	"strings"

	"castgate/server/hostport"
	"castgate/server/setting"
)

// clash finds two of our own listeners that cannot coexist. The error is that
// of the second setting.
func (e *effective) clash() error {
	type listener struct{ setting, address string }
	all := make([]listener, 0, 8)
	for _, l := range e.server.Listen { // which Validate has compared with each other
		_, address, named := strings.Cut(l, "://")
		if !named {
			address = l
		}
		all = append(all, listener{"listen", address})
	}
	clients := len(all)
	for _, l := range []listener{
		{"control", e.control.Listen},
		{"admin", e.admin.Listen},
		{"cluster-listen", e.cluster.link.Listen},
		{"gatewayworker-inner", e.gatewayworker.Inner},
		{"gatewayworker-register", e.gatewayworker.Register},
	} {
		if l.address != "" && !strings.HasPrefix(l.address, "unix:") {
			all = append(all, l)
		}
	}
	for i := clients; i < len(all); i++ {
		for _, before := range all[:i] {
			if hostport.Same(before.address, all[i].address) {
				return setting.Errorf(all[i].setting, "%s is already used by %s %s", all[i].address, before.setting, before.address)
			}
		}
	}
	for _, register := range e.gatewayworker.Join {
		for _, l := range all {
			if l.setting != "gatewayworker-register" && reaches(register, l.address) {
				return setting.Errorf("gatewayworker-join", "%s is this gateway's %s, not a Register", register, l.setting)
			}
		}
	}
	return nil
}

// reaches reports whether a connection to an address reaches a listener. If the
// listener is on all addresses, only this host's own addresses are known to.
func reaches(address, listener string) bool {
	if !hostport.Same(address, listener) {
		return false
	}
	return isLocal(address) || !strings.HasPrefix(listener, ":") && !strings.HasPrefix(listener, "0.0.0.0:") && !strings.HasPrefix(listener, "[::]:")
}
