package knob

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Kubernetes gives every pod variables named after the services around it, and
// Docker gives a container those of its links. A service or link called
// castgate or castgate-control must not prevent the start. Names alone do not
// distinguish these from a mistake such as CASTGATE_PORT=8000: the values do.
var (
	// portVariable occurs in both: CASTGATE_PORT, CASTGATE_PORT_80_TCP_ADDR.
	portVariable = regexp.MustCompile(`^CASTGATE_(?:[A-Z0-9_]+?_)??PORT(_[0-9]+_(?:TCP|UDP|SCTP))?(?:_(PROTO|PORT|ADDR|START|END|PORT_START|PORT_END))?$`)
	// serviceVariable occurs in Kubernetes: CASTGATE_SERVICE_PORT_HTTP.
	serviceVariable = regexp.MustCompile(`^(CASTGATE_(?:[A-Z0-9_]+?_)??SERVICE_)(HOST|PORT(?:_[A-Z0-9_]+)?)$`)
	// linkVariable occurs in Docker: CASTGATE_NAME, CASTGATE_ENV_PATH.
	linkVariable = regexp.MustCompile(`^(CASTGATE_(?:[A-Z0-9_]+?_)??)(NAME|ENV_.+)$`)
	// linkName is the value of a link's NAME variable.
	linkName = regexp.MustCompile(`^/[^/]+/[^/]+$`)
)

// IsLinkVariable reports whether a variable of the environment was set by
// Kubernetes or Docker.
func IsLinkVariable(name string, environ map[string]string) bool {
	if name == Variable("reuse-port") {
		return false // a setting that only looks like one
	}
	value := environ[name]
	if m := serviceVariable.FindStringSubmatch(name); m != nil {
		// A person may well write SERVICE_PORT=8000; Kubernetes never sets it
		// alone.
		return isHostAddress(environ[m[1]+"HOST"]) && (m[2] == "HOST" || isPort(value))
	}
	if m := linkVariable.FindStringSubmatch(name); m != nil {
		return linkName.MatchString(environ[m[1]+"NAME"])
	}
	m := portVariable.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	switch m[2] {
	case "PROTO":
		return value == "tcp" || value == "udp" || value == "sctp"
	case "ADDR":
		return isHostAddress(value)
	case "PORT", "PORT_START", "PORT_END":
		return m[1] != "" && isPort(value)
	}
	return isLink(value) // CASTGATE_PORT, _PORT_80_TCP and a range's START and END
}

// isLink reports whether a value is like tcp://10.0.0.1:7272, whose host is not
// one to listen on.
func isLink(value string) bool {
	protocol, address, ok := strings.Cut(value, "://")
	a, err := netip.ParseAddrPort(address)
	return ok && (protocol == "tcp" || protocol == "udp" || protocol == "sctp") && err == nil && !a.Addr().IsUnspecified()
}

func isHostAddress(value string) bool {
	a, err := netip.ParseAddr(value)
	return err == nil && !a.IsUnspecified()
}

func isPort(value string) bool {
	n, err := strconv.ParseUint(value, 10, 16)
	return err == nil && n > 0
}

// personal matches names that a person may use for an address to listen on.
var personal = regexp.MustCompile(`^CASTGATE_([A-Z0-9_]+?_)??(PORT|HOST|ADDR|ADDRESS|BIND|SERVICE_PORT|SERVICE_HOST|URL)$`)

// addressVariable returns the setting that was meant by a variable that looks
// like an address to listen on, with its value if that is clear; "" for others.
func addressVariable(name, value string) string {
	m := personal.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	meant := Variable("listen")
	switch {
	case m[1] == "CONTROL_":
		meant = Variable("control")
	case m[1] != "" && m[1] != "LISTEN_" && m[1] != "WS_" && m[1] != "WEBSOCKET_" && m[1] != "HTTP_" && m[1] != "CLIENT_":
		return ""
	}
	if isPort(value) {
		meant += "=:" + value
	}
	return meant
}
