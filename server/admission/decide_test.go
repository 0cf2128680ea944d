package admission

import (
	"strings"
	"testing"

	"castgate/codec"
	"castgate/server/token"
	"castgate/server/token/tokentest"
)

// Where tokens are found, and what is answered to the page that offers one.
func TestFindToken(t *testing.T) {
	r := newRig(t, Policy{JWT: JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}, Cookie: "tok", Query: "tok", Required: true}})
	const offers = "Sec-WebSocket-Protocol: "
	for fields, want := range map[string]struct {
		text     string
		protocol string
		why      string
	}{
		offers + "castgate, bearer.good\r\n":                       {text: "good"},
		offers + "bearer.good\r\n":                                 {text: "good", protocol: "bearer.good"},
		offers + "bearer.good\r\nCookie: tok=x\r\n":                {text: "good", protocol: "bearer.good"},
		offers + "chat\r\n" + offers + "bearer.good, castgate\r\n": {text: "good"},
		"Cookie: a=b; tok=good\r\n":                                {text: "good"},
		"Cookie: tok=good\r\nCookie: tok=other\r\n":                {text: "good"},
		"":                                      {why: token.Missing.String()},
		offers + "bearer.\r\nCookie: tok=\r\n":  {why: token.Missing.String(), protocol: "bearer."},
		offers + "bearer.good, bearer.good\r\n": {why: token.Repeated.String(), protocol: "bearer.good"},
		offers + "bearer.a\r\n" + offers + "bearer.b\r\n": {why: token.Repeated.String(), protocol: "bearer.a"},
		offers + "bearer. good\r\n":                       {why: token.Malformed.String(), protocol: "bearer. good"},
		offers + "castgate, bearer.good=\r\n":             {why: token.Malformed.String()},
	} {
		v := r.decide(fields)
		if want.why != v.reason() || v.Token.Text != want.text || string(v.Protocol) != want.protocol || v.Refusal != codec.HandshakeOK {
			t.Errorf("%q: %+v, want %+v", fields, v, want)
		}
	}
	head := []byte(strings.Replace(upgradeRequest, "GET /", "GET /?tok=good", 1))
	if v := r.Decide(r.Rules(), head, r.decide("").Client, false); v.Token.Text != "good" {
		t.Errorf("in the query: %+v", v)
	}
	r.set(Policy{JWT: JWT{Rules: token.Rules{Keys: tokentest.Keys(t)}}})
	if v := r.decide("Cookie: tok=good\r\n"); v.NoToken != nil || v.Token.Text != "" || v.Protocol != nil {
		t.Errorf("a token that is neither asked for nor required: %+v", v)
	}
}

// reason is that of NoToken, "" without one.
func (v *Verdict) reason() string {
	if v.NoToken == nil {
		return ""
	}
	return v.NoToken.Reason.String()
}

// Who the client is, behind a proxy, and whether it is counted.
func TestForwarded(t *testing.T) {
	limits := Policy{MaxConnsPerIP: 1, TrustedProxies: trusting("127.0.0.0/8", "10.0.0.0/8")}
	for _, test := range []struct {
		fields, client string
		counted        bool
		refusal        codec.HandshakeResult
	}{
		{"", "127.0.0.1:80", false, codec.HandshakeOK},
		{"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7:0", true, codec.HandshakeOK},
		{"X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.0.0.9\r\n", "203.0.113.7:0", true, codec.HandshakeOK},
		{"Forwarded: for=\"203.0.113.7:4711\"\r\n", "203.0.113.7:4711", true, codec.HandshakeOK},
		{"X-Forwarded-For: 10.0.0.9\r\n", "10.0.0.9:0", false, codec.HandshakeOK},
		{"X-Forwarded-For: unknown\r\n", "127.0.0.1:80", true, codec.HandshakeOK},
		{"X-Forwarded-For: 203.0.113.7\r\nForwarded: for=203.0.113.8\r\n", "127.0.0.1:80", false, codec.HandshakeForwarded},
	} {
		r := newRig(t, limits)
		v := r.decide(test.fields)
		if v.Client.String() != test.client || v.Counted != test.counted || v.Refusal != test.refusal {
			t.Errorf("%q: %+v, want %+v", test.fields, v, test)
		}
		if !test.counted {
			continue
		}
		if again := r.decide(test.fields); again.Refusal != codec.HandshakeTooMany || again.Counted || again.Client != v.Client {
			t.Errorf("%q twice: %+v", test.fields, again)
		}
		if kept := r.Decide(r.Rules(), []byte(upgradeRequest[:len(upgradeRequest)-2]+test.fields+"\r\n"), v.Client, true); kept.Refusal != codec.HandshakeOK || kept.Counted || kept.Client != v.Client {
			t.Errorf("%q of a client that is counted already: %+v", test.fields, kept)
		}
	}
}

// Every reason for which a token is refused has an outcome.
func TestTokenResults(t *testing.T) {
	for why := range token.Reason(token.NumReasons) {
		if TokenResult(why) == codec.HandshakeOK {
			t.Errorf("%v has no outcome", why)
		}
	}
}
