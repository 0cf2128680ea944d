package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Rule is an item of allowed-origins in the form in which browsers send origins
// (RFC 6454 section 6.2, and the WHATWG URL standard for hosts): lower case,
// Punycode, compressed IPv6 addresses, and no port where it is the scheme's
// default.
type Rule struct {
	scheme string // "" is any
	host   string
	port   uint16 // 0 is any, or no port for a scheme without a default
	below  bool   // all subdomains of host, not host itself
	whole  bool   // host is the whole header: null or file://
}

// defaultPorts are the ports that browsers leave out of an origin.
var defaultPorts = map[string]uint16{"http": 80, "https": 443}

// notOrigins are schemes that never appear in an Origin header, with what pages
// send instead; "" if they send nothing.
var notOrigins = map[string]string{"wss": "https", "ws": "http", "ftp": "", "data": "", "blob": "", "about": "", "javascript": ""}

// Parse parses an item of allowed-origins. That is an origin; a host for any
// scheme, with or without a port; *.host for all subdomains, with or without a
// scheme; null; or file://. An item that no browser ever sends is an error, which
// suggests the right form if there is one.
func Parse(item string) (Rule, error) {
	// Browsers apply the same rules to an origin as written before they send it.
	text := strings.TrimSuffix(strings.TrimSpace(item), "/")
	switch strings.ToLower(text) {
	case "":
		return Rule{}, errors.New("empty item")
	case "*":
		return Rule{}, errors.New(`"*" is not an origin; to allow any origin, do not set allowed-origins`)
	case "null", "file://", "file:/": // file:/// whose last slash was cut
		if text[0]|0x20 == 'f' {
			text = "file://"
		}
		return Rule{host: strings.ToLower(text), whole: true}, nil
	}
	rule, err := splitOrigin(text)
	if err != nil {
		return rule, err
	}
	if rule.scheme == "file" {
		return rule, fmt.Errorf("browsers never send %.200q; pages from files send file:// or null", item)
	}
	rule.host, err = browserHost(rule.host, rule.scheme)
	if err == errLastDot {
		return rule, fmt.Errorf("%.200q %w; write %s", item, err, rule)
	}
	if err != nil {
		return rule, fmt.Errorf("%.200q %w", item, err)
	}
	if rule.below && (rule.host[0] == '[' || isAddress(rule.host)) {
		return rule, fmt.Errorf("%.200q: an IP address has no subdomains", item)
	}
	instead, never := notOrigins[rule.scheme]
	switch {
	case never && instead != "":
		rule.port = leftOut(rule.scheme, rule.port)
		rule.scheme = instead
		return rule, fmt.Errorf("browsers never send %.200q: an origin is where the page comes from, not what it connects to; write %s", item, rule)
	case never:
		return rule, fmt.Errorf("browsers never send %.200q; such pages send null", item)
	}
	if rule.port == 0 && !rule.below {
		rule.port = defaultPorts[rule.scheme]
	}
	return rule, nil
}

// Exact parses a single origin as a person writes it, and returns it as browsers
// send it: scheme, host and, unless it is the scheme's default, port. An error
// suggests the right form if there is one.
func Exact(item string) (string, error) {
	rule, err := Parse(item)
	switch {
	case strings.TrimSpace(item) == "*", err == nil && rule.below:
		return "", fmt.Errorf("%.200q is not a single origin: list each one, such as https://admin.example.com", item)
	case err != nil:
		return "", err
	case rule.whole:
		return "", fmt.Errorf("%.200q is sent by pages from many sources, which cannot be told apart", item)
	case rule.scheme == "":
		return "", fmt.Errorf("%.200q has no scheme: write https://%s", item, rule)
	}
	return rule.String(), nil
}

// splitOrigin splits an item into its parts. The host stays as it was written.
func splitOrigin(text string) (rule Rule, err error) {
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		if rule.scheme, rest = strings.ToLower(scheme), after; !isScheme(rule.scheme) {
			return rule, fmt.Errorf("%.200q has no scheme such as https before ://", text)
		}
	}
	before := text[:len(text)-len(rest)] // scheme://
	if i := strings.IndexAny(rest, `/\?#`); i >= 0 {
		if before == "" && !strings.Contains(rest[:i], ".") { // https//a.example
			return rule, notAnOrigin(text, "")
		}
		return rule, notAnOrigin(text, before+rest[:i])
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return rule, notAnOrigin(text, before+rest[i+1:])
	}
	if a, err := netip.ParseAddr(rest); err == nil && a.Is6() {
		return rule, notAnOrigin(text, before+"["+rest+"]")
	}
	if domain, ok := strings.CutPrefix(rest, "*."); ok {
		rest, rule.below = domain, true
	}
	var ok bool
	if rule.host, rule.port, ok = cutPort(rest); !ok || rule.host == "" {
		return rule, notAnOrigin(text, "")
	}
	return rule, nil
}

// notAnOrigin returns the error for an item. right is the suggested form, "" if
// there is none.
func notAnOrigin(text, right string) error {
	const forms = "is neither an origin such as https://example.com, without a path, nor *.example.com"
	if rule, err := Parse(right); err == nil {
		return fmt.Errorf("%.200q %s; write %s", text, forms, rule)
	}
	return fmt.Errorf("%.200q %s", text, forms)
}

// leftOut returns port, or 0 if it is the default of a WebSocket scheme.
func leftOut(scheme string, port uint16) uint16 {
	if scheme == "wss" && port == 443 || scheme == "ws" && port == 80 {
		return 0
	}
	return port
}

// String returns the rule as it would be written in the list.
func (r Rule) String() string {
	text := r.host
	if r.below {
		text = "*." + text
	}
	if r.scheme != "" {
		text = r.scheme + "://" + text
	}
	if r.port != 0 && (r.scheme == "" || r.below || r.port != defaultPorts[r.scheme]) {
		text += ":" + strconv.Itoa(int(r.port))
	}
	return text
}

// cutPort splits host:port; port is 0 if there is none. A port is decimal digits
// only, and must be one that can be connected to.
func cutPort(text string) (host string, port uint16, ok bool) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 || colon < strings.LastIndexByte(text, ']') {
		return text, 0, true
	}
	for _, c := range text[colon+1:] {
		if c < '0' || c > '9' {
			return "", 0, false
		}
	}
	n, err := strconv.ParseUint(text[colon+1:], 10, 16)
	return text[:colon], uint16(n), err == nil && n > 0
}

// isScheme reports whether s, in lower case, is a scheme (RFC 3986 section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		letter, more := s[i] >= 'a' && s[i] <= 'z', s[i] >= '0' && s[i] <= '9' || s[i] == '+' || s[i] == '-' || s[i] == '.'
		if !letter && (i == 0 || !more) {
			return false
		}
	}
	return s != ""
}

// isHost reports whether a host is in the form that browsers send.
func isHost(host string) bool {
	inner := host
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		inner = host[1 : len(host)-1]
		return strings.Trim(inner, "0123456789abcdef:") == "" && inner != ""
	}
	return inner != "" && !strings.ContainsFunc(inner, notInHost)
}

// notInHost reports characters that no host of an origin contains: those that the
// URL standard forbids, and everything outside ASCII.
func notInHost(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("#/:<>?@[\\]^|%*\"'`{},;", r)
}

// errLastDot comes with a suggestion of the right host.
var errLastDot = errors.New("has a dot at the end of its host, which hardly any page has")

// browserHost returns a host as browsers send it. With a scheme of an application
// it may be any name.
func browserHost(host, scheme string) (string, error) {
	if host[0] == '[' {
		return browserIPv6(host)
	}
	if _, web := defaultPorts[scheme]; !web && scheme != "" && scheme != "ws" && scheme != "wss" {
		if host = strings.ToLower(host); !isHost(host) {
			return "", errors.New("has a character that is not allowed in a host")
		}
		return host, nil
	}
	// Since Unicode 15.1 a capital ẞ maps to its small letter. The library's table
	// is older.
	ascii, err := browserNames.ToASCII(strings.ReplaceAll(host, "ẞ", "ß"))
	if err != nil || !utf8.ValidString(host) {
		return "", errors.New("has a host that is not a domain name")
	}
	if bare := strings.TrimRight(ascii, "."); bare != ascii && bare != "" {
		return bare, errLastDot
	}
	switch {
	case !isHost(ascii) || ascii[0] == '.' || strings.Contains(ascii, ".."):
		return "", errors.New("has a host that is not a domain name")
	case len(ascii) > 253:
		return "", errors.New("has a host of more than 253 characters")
	}
	// Browsers parse a host as an IPv4 address if its last label is numeric.
	last := ascii[strings.LastIndexByte(ascii, '.')+1:]
	if _, err := strconv.ParseUint(last, 0, 64); (err == nil || strings.Trim(last, "0123456789") == "") && !isAddress(ascii) {
		return "", errors.New("has a host that ends in a number but is not an IPv4 address such as 192.0.2.7")
	}
	return ascii, nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// browserIPv6 returns an address in brackets, compressed as the URL standard asks
// for, with no part in decimal.
func browserIPv6(host string) (string, error) {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(host, "]") || strings.Count(host, "[")+strings.Count(host, "]") != 2 {
		return "", errors.New("has no IPv6 address in its brackets")
	}
	if a.Is4In6() {
		b := a.As16()
		return fmt.Sprintf("[::ffff:%x:%x]", uint16(b[12])<<8|uint16(b[13]), uint16(b[14])<<8|uint16(b[15])), nil
	}
	return "[" + a.String() + "]", nil
}

// browserNames converts names to ASCII as the URL standard's "domain to ASCII"
// does: UTS #46, nontransitional, without checks of hyphens and lengths.
var browserNames = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false),
	idna.CheckHyphens(false), idna.CheckJoiners(true), idna.BidiRule(), idna.VerifyDNSLength(false))
