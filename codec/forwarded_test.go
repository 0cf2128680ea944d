package codec

import (
	"net/netip"
	"strings"
	"testing"
)

var trustedNet = netip.MustParsePrefix("10.0.0.0/8")

func trustTen(a netip.Addr) bool {
	return trustedNet.Contains(a) || a == netip.MustParseAddr("fd00::1")
}

func TestForwardedFor(t *testing.T) {
	peer := netip.MustParseAddrPort("10.0.0.1:4000")
	const self = "10.0.0.1:4000"
	for _, try := range []struct {
		fields string // lines by "; ", X: and F: for the names
		want   string
		how    Forwarded
	}{
		{"", self, ForwardedNone},
		{"X: 203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7:99", "203.0.113.7:99", ForwardedClient},
		{"X: 1.1.1.1, 203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: 1.1.1.1, 203.0.113.7,10.0.0.2 ,10.9.9.9", "203.0.113.7:0", ForwardedClient},
		{"X: 1.1.1.1| X: 203.0.113.7| X: 10.0.0.2", "203.0.113.7:0", ForwardedClient},
		{"X: 10.0.0.3, 10.0.0.2", "10.0.0.3:0", ForwardedNone},
		{"X: 2001:db8::1", "[2001:db8::1]:0", ForwardedClient},
		{"X: [2001:db8::1]", "[2001:db8::1]:0", ForwardedClient},
		{"X: [2001:db8::1]:443, fd00::1", "[2001:db8::1]:443", ForwardedClient},
		{"X: ::ffff:203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: ::ffff:10.0.0.9", "10.0.0.9:0", ForwardedNone},
		{"X: garbage, 203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7, garbage", self, ForwardedUnknown},
		{"X: 203.0.113.7, ", self, ForwardedUnknown},
		{"X: 203.0.113.7, garbage, 10.0.0.2", self, ForwardedUnknown},
		{"X: fe80::1%eth0", self, ForwardedUnknown},
		{"X: 203.0.113.7:70000", self, ForwardedUnknown},
		{"X: [203.0.113.7]", self, ForwardedUnknown},
		{"X: [2001:db8::1", self, ForwardedUnknown},
		{"X: [2001:db8::1]x", self, ForwardedUnknown},
		{"F: for=203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{`F: For="203.0.113.7:99";proto=https;by=10.0.0.1`, "203.0.113.7:99", ForwardedClient},
		{`F: for="[2001:db8::1]:443"`, "[2001:db8::1]:443", ForwardedClient},
		{`F: for="[2001:db8::1]:_port", for=10.0.0.2`, "[2001:db8::1]:0", ForwardedClient},
		{`F: for=1.1.1.1;host="a,b\";for=2.2.2.2", for=203.0.113.7`, "203.0.113.7:0", ForwardedClient},
		{"F: for=1.1.1.1| F: for=203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"F: for=203.0.113.7, for=unknown", self, ForwardedUnknown},
		{"F: for=203.0.113.7, for=_hidden", self, ForwardedUnknown},
		{"F: for=203.0.113.7, proto=https", self, ForwardedUnknown},
		{`F: for="2001:db8::1"`, self, ForwardedUnknown},
		{"F: for=1.1.1.1;for=203.0.113.7", self, ForwardedUnknown},
		{`F: for=1.1.1.1;x=", for=203.0.113.7`, self, ForwardedUnknown},
		{`F: for=1.1.1.1;x=", for="[2001:db8::1]:443"`, self, ForwardedUnknown},
		{`F: for="1.1.1.1"x`, self, ForwardedUnknown},
		{`F: x="| F: for=203.0.113.7`, "203.0.113.7:0", ForwardedClient},
		{"F: for=10.0.0.3, for=10.0.0.2", "10.0.0.3:0", ForwardedNone},
		{"F: " + strings.Repeat("for=10.0.0.3,", maxHops-1) + "for=10.0.0.2", "10.0.0.3:0", ForwardedNone},
		{"F: for=203.0.113.7," + strings.Repeat("for=10.0.0.3,", maxHops-2) + "for=10.0.0.2", "203.0.113.7:0", ForwardedClient},
		{"F: for=203.0.113.7," + strings.Repeat("for=10.0.0.3,", maxHops-1) + "for=10.0.0.2", self, ForwardedUnknown},
		{"X: 10.0.0.4| X: 10.0.0.3, 10.0.0.2", "10.0.0.4:0", ForwardedNone},
		{"X: 203.0.113.7| X: 10.0.0.3, 10.0.0.2", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: for=203.0.113.7;proto=https", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: for=1.1.1.1", self, ForwardedConflict},
		{"X: 203.0.113.7| F: for=10.0.0.5", self, ForwardedConflict},
		{"X: 203.0.113.7| F: garbage", self, ForwardedConflict},
		{"X: 203.0.113.7| F: proto=https", "203.0.113.7:0", ForwardedClient},
		{"F: proto=https;by=10.0.0.1| X: 203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: for=unknown;proto=https", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: For=Unknown", "203.0.113.7:0", ForwardedClient},
		{`X: 203.0.113.7| F: for="_gazonk:1234"`, "203.0.113.7:0", ForwardedClient},
		{`X: 203.0.113.7| F: for=""`, "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: for=10.0.0.5, proto=https", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: proto=https| F: for=10.0.0.5", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: for=1.1.1.1, proto=https", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7| F: proto=https, for=1.1.1.1", self, ForwardedConflict},
		{"X: 10.0.0.3| F: proto=https", "10.0.0.3:0", ForwardedNone},
		{"X: unknown| F: for=203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: | F: for=203.0.113.7", "203.0.113.7:0", ForwardedClient},
		{"X: garbage| F: for=203.0.113.7", self, ForwardedConflict},
		{"X: garbage| F: proto=https", self, ForwardedUnknown},
		{"X: unknown| F: for=unknown", self, ForwardedUnknown},
		{"X: 203.0.113.7| F: for=_", self, ForwardedConflict},
		{"X: 203.0.113.7| F: for=unknown;x=\"", self, ForwardedConflict},
		{"X: 203.0.113.7, " + strings.Repeat("10.0.0.3, ", maxHops-2) + "10.0.0.2", "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7, " + strings.Repeat("10.0.0.3, ", maxHops-1) + "10.0.0.2", self, ForwardedUnknown},
		{"X: 203.0.113.7" + strings.Repeat("| X: 10.0.0.3", maxHops-1), "203.0.113.7:0", ForwardedClient},
		{"X: 203.0.113.7" + strings.Repeat("| X: 10.0.0.3", maxHops), self, ForwardedUnknown},
		{"F: for=203.0.113.7" + strings.Repeat("| F: for=10.0.0.3", maxHops), self, ForwardedUnknown},
	} {
		var head strings.Builder
		head.WriteString("GET / HTTP/1.1\r\nHost: h\r\n")
		for line := range strings.SplitSeq(try.fields, "| ") {
			if value, ok := strings.CutPrefix(line, "X: "); ok {
				head.WriteString("X-Forwarded-For: " + value + "\r\n")
			} else if value, ok := strings.CutPrefix(line, "F: "); ok {
				head.WriteString("forwarded: " + value + "\r\n")
			}
		}
		head.WriteString("\r\n")
		if got, how := ForwardedFor([]byte(head.String()), peer, trustTen); got.String() != try.want || how != try.how {
			t.Errorf("%s: %v, outcome %d, want %s, %d", try.fields, got, how, try.want, try.how)
		}
	}
}

// However many addresses a client sends, only so many are compared with the
// trusted networks.
func TestForwardedWorkIsBounded(t *testing.T) {
	peer := netip.MustParseAddrPort("10.0.0.1:4000")
	for _, field := range []string{
		"X-Forwarded-For: " + strings.Repeat("10.0.0.2,", MaxHandshake/9) + "10.0.0.2\r\n",
		strings.Repeat("X-Forwarded-For: 10.0.0.2\r\n", MaxHandshake/27),
		strings.Repeat("X-Forwarded-For: 1.1.1.1, 10.0.0.2\r\n", MaxHandshake/36),
		"Forwarded: " + strings.Repeat("for=10.0.0.2,", MaxHandshake/13) + "for=10.0.0.2\r\n",
		strings.Repeat("Forwarded: for=10.0.0.2\r\n", MaxHandshake/25),
	} {
		asked := 0
		_, how := ForwardedFor([]byte("GET / HTTP/1.1\r\n"+field+"\r\n"), peer, func(a netip.Addr) bool {
			asked++
			return trustTen(a)
		})
		if asked > maxHops || how != ForwardedUnknown && !strings.Contains(field, "1.1.1.1") {
			t.Errorf("%.40s: %d addresses are asked for, outcome %d", field, asked, how)
		}
	}
}

// Whatever a client writes in front, the address that its proxy appends is the
// outcome, or nobody's is, and never one that the client has made up.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"1.1.1.1", "", "x, [::1]", `for="`, `for=1.1.1.1;x="`, "for=_a;by=\"\\\""} {
		f.Add(seed)
	}
	peer := netip.MustParseAddrPort("10.0.0.1:4000")
	client := netip.MustParseAddr("203.0.113.7")
	f.Fuzz(func(t *testing.T, forged string) {
		for i := range forged {
			if c := forged[i]; c < ' ' && c != '\t' || c == 0x7f {
				return // refused with the head
			}
		}
		for _, field := range []string{
			"X-Forwarded-For: " + forged + ", 203.0.113.7",
			"X-Forwarded-For: " + forged + "\r\nX-Forwarded-For: 203.0.113.7",
			"Forwarded: " + forged + ", for=203.0.113.7",
			"Forwarded: " + forged + `, for="203.0.113.7:80"`,
			"Forwarded: " + forged + "\r\nForwarded: for=203.0.113.7",
		} {
			got, how := ForwardedFor([]byte("GET / HTTP/1.1\r\n"+field+"\r\n\r\n"), peer, trustTen)
			if got.Addr() != client && (got != peer || how != ForwardedUnknown) {
				t.Fatalf("%q: %v, outcome %d", field, got, how)
			}
		}
		// The field that its proxy does not write can spoil the request, no more.
		for _, field := range []string{
			"X-Forwarded-For: 203.0.113.7\r\nForwarded: " + forged,
			"X-Forwarded-For: " + forged + "\r\nForwarded: for=203.0.113.7",
		} {
			got, how := ForwardedFor([]byte("GET / HTTP/1.1\r\n"+field+"\r\n\r\n"), peer, trustTen)
			if got.Addr() != client && how != ForwardedConflict {
				t.Fatalf("%q: %v, outcome %d", field, got, how)
			}
		}
	})
}
